# Sourced by the scripts that download: files that arrive whole and checked, or not at all. Needs common.sh.

# fetch URL FILE [ALGORITHM:CHECKSUM]: FILE from URL, and FILE.sha256 beside it. An interrupted download goes on.
# Where no checksum is published, that is said, and FILE.sha256 tells what came.
fetch() {
    local url=$1 file=$2 published=${3:-} status=0 code
    if [[ ! -e $file ]]; then
        say "fetching $url"
        code=$(resume "$url" "$file.part") || status=$?
        # 33: the server sends only whole files. 416: it has nothing behind what is there, which may be all, or another file.
        if [[ -e $file.part ]] && ((status == 33 || 10#${code:-0} == 416)); then
            rm -f -- "$file.part"
            status=0
            resume "$url" "$file.part" >/dev/null || status=$?
        fi
        ((status == 0)) || die "cannot fetch $url (curl's status $status); start again to go on, or give --from DIR"
        # Before the file has its name: what has it was checked.
        matches "$file.part" "$published" || {
            rm -f -- "$file.part"
            die "$url is not the file that was published ($published); it was removed. Start again, or give --from DIR"
        }
        mv -- "$file.part" "$file"
    fi
    [[ -n $published ]] || say "      no checksum of ${file##*/} is published; what came is in ${file##*/}.sha256"
    [[ -e $file.sha256 ]] || (cd -- "$(dirname -- "$file")" && sha256sum -- "${file##*/}" >"${file##*/}.sha256.tmp" &&
        mv -- "${file##*/}.sha256.tmp" "${file##*/}.sha256")
}

# resume URL FILE: go on with FILE, and print the server's answer
resume() {
    local bar=(--silent --show-error)
    [[ ! -t 2 ]] || bar=(--progress-bar)
    curl --fail --location --retry 3 --connect-timeout 30 "${bar[@]}" --write-out '%{http_code}' \
        --continue-at - --output "$2" -- "$1"
}

# matches FILE [ALGORITHM:CHECKSUM]
matches() {
    [[ -z ${2:-} || $("${2%%:*}sum" <"$1" | cut -d ' ' -f 1) == "${2#*:}" ]]
}

# unpack_corpus CORPUS OUT FROM FILE URL CHECKSUM ...: the archives into OUT/downloads, or those that are in FROM; what is
# in them as text into OUT/text
unpack_corpus() {
    local corpus=$1 out=$2 from=$3
    shift 3
    [[ -z $from || -d $from ]] || die "no folder $from"
    [[ -n $from ]] || command -v curl >/dev/null || die "no curl; install it, or give --from DIR"
    use_environment
    mkdir -p -- "$out/downloads" 2>/dev/null || die "cannot make the folder $out"
    only_one "$out/.lock" "download into $out"
    echo "$corpus" | keep_settings "$out/download.settings" || die "$out holds another corpus; choose another --out"
    if [[ -e $out/text/corpus.json ]]; then
        say "$out/text is there already"
        return 0
    fi
    while (($#)); do
        if [[ -z $from ]]; then
            fetch "$2" "$out/downloads/$1" "$3"
        elif [[ -e $from/$1 ]]; then
            matches "$from/$1" "$3" ||
                die "$from/$1 is not the file that was published ($3); if you want it nevertheless, unpack it there" \
                    "and remove it"
        fi
        shift 3
    done
    python -m experiments.corpus.unpack "$corpus" "${from:-$out/downloads}" "$out/text" | sed 's/^/      /' >&2
    say "ready: $out/text"
}
