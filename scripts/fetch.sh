# Sourced by the scripts that download: files that arrive whole and checked, or not at all. Needs common.sh.

# fetch URL FILE [ALGORITHM:CHECKSUM]: FILE from URL, and FILE.sha256 beside it. An interrupted download resumes.
fetch() {
    local url=$1 file=$2 published=${3:-} status=0
    local try=(curl --fail --location --retry 3 --connect-timeout 30 --progress-bar --output "$2.part")
    if [[ ! -e $file ]]; then
        say "fetching $url"
        "${try[@]}" --continue-at - -- "$url" || status=$?
        # The server sends only whole files (33), or has nothing behind what is there (22).
        if ((status == 33 || status == 22)); then
            rm -f -- "$file.part" && status=0
            "${try[@]}" -- "$url" || status=$?
        fi
        ((status == 0)) || die "cannot fetch $url (curl's status $status); run again to resume, or give --from DIR"
        matches "$file.part" "$published" || { rm -f -- "$file.part" &&
            die "$url is not the file that was published ($published); run again, or give --from DIR"; }
        mv -- "$file.part" "$file"
    fi
    [[ -n $published ]] || say "no checksum of ${file##*/} is published; what came is in ${file##*/}.sha256"
    (cd -- "$(dirname -- "$file")" && sha256sum -- "${file##*/}" >"${file##*/}.sha256")
}

# matches FILE [ALGORITHM:CHECKSUM]
matches() { [[ -z ${2:-} || $("${2%%:*}sum" <"$1" | cut -d ' ' -f 1) == "${2#*:}" ]]; }

# unpack_corpus CORPUS OUT FROM FILE URL CHECKSUM ...: the archives into OUT/downloads, or those that are in FROM; what is
# in them as text into OUT/text
unpack_corpus() {
    local corpus=$1 out=$2 from=$3
    shift 3
    use_environment
    [[ -z $from || -d $from ]] || die "no folder $from"
    if grep -qs "\"$corpus\"" "$out/text/corpus.json"; then say "$out/text is there already" && return; fi
    mkdir -p -- "$out/downloads"
    while (($#)); do
        if [[ -z $from ]]; then
            fetch "$2" "$out/downloads/$1" "$3"
        elif [[ -e $from/$1 ]] && ! matches "$from/$1" "$3"; then
            die "$from/$1 is not the file that was published ($3); to use it, unpack it there and remove it"
        fi
        shift 3
    done
    python -m experiments.corpus.unpack "$corpus" "${from:-$out/downloads}" "$out/text"
}
