#!/usr/bin/env bash
# scripts/prepare.sh --train PREFIX --dev PREFIX --test NAME=PREFIX [--test ...] --out DIR
#                    [--subwords bpe|sentencepiece] [--size N] [--joined] [--like DIR]
#                    [--max-words N] [--max-chars N] [--max-ratio X] [--max-pairs N] [--workers N]
#
# From raw text (PREFIX.zh and PREFIX.en, line-aligned, UTF-8) to binarised data: cleaning, words (jieba, Moses), pieces
# of words (BPE or sentencepiece), fairseq-preprocess.
#
#   --test NAME=PREFIX  a test set and the name it has in scores; may be repeated
#   --subwords KIND     bpe (of subword-nmt, the default) or sentencepiece (its unigram model)
#   --size N            merges of BPE, or pieces of sentencepiece, for each side or for both together (default 16000)
#   --joined            one set of pieces and one dictionary for both languages
#   --like DIR          in place of these three: the pieces and dictionaries of DIR, prepared before. For further text
#                       for a model that was trained on DIR; --train and --dev may be left out
#   --max-words N, --max-chars N, --max-ratio X
#                       limits of a pair, as python -m experiments clean has them
#   --max-pairs N       only the first N fit pairs of the training data
#   --workers N         processes (default: all processors)
#
# Leaves in DIR: clean/ and tok/ (text before and after words are split), codes.* (BPE) or spm.*.model (sentencepiece),
# pieces/, data-bin/ (for fairseq), raw/NAME.en (the references), tests.txt (which of fairseq's test, test1, ... is which
# NAME), report.txt and report.json (what cleaning dropped, and why). A step whose output is there is not done again;
# DIR belongs to one choice of settings and input.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

train='' dev='' out='' like='' subwords='' size='' joined='' max_pairs='' max_words='' max_chars='' max_ratio=''
names=() prefixes=()
workers=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)

while (($#)); do
    case $1 in
    --train | --dev | --test | --out | --subwords | --size | --like | --max-* | --workers)
        (($# > 1)) || die "$1 needs a value" ;;&
    --train) train=$2 && shift 2 ;;
    --dev) dev=$2 && shift 2 ;;
    --test)
        name=${2%%=*}
        [[ $2 == *=* && $name =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]*$ ]] ||
            die "--test $2: write NAME=PREFIX, the name of letters, digits, . _ -"
        [[ $name != train && $name != dev ]] || die "a test set cannot be named $name; choose another name"
        [[ " ${names[*]-} " != *" $name "* ]] || die "two test sets are named $name"
        names+=("$name") prefixes+=("${2#*=}")
        shift 2
        ;;
    --out) out=$2 && shift 2 ;;
    --subwords) subwords=$2 && shift 2 ;;
    --size) size=$2 && shift 2 ;;
    --joined) joined=yes && shift ;;
    --like) like=$2 && shift 2 ;;
    --max-words) max_words=$2 && shift 2 ;;
    --max-chars) max_chars=$2 && shift 2 ;;
    --max-ratio) max_ratio=$2 && shift 2 ;;
    --max-pairs) max_pairs=$2 && shift 2 ;;
    --workers) workers=$2 && shift 2 ;;
    -h | --help) usage 0 ;;
    *) die "unknown option $1 (--help tells the options)" ;;
    esac
done
needed=(train dev out)
[[ -z $like ]] || needed=(${train:+dev} out)
for option in "${needed[@]}"; do [[ -n ${!option} ]] || die "--$option is missing (--help tells the options)"; done
((${#names[@]})) || die "--test is missing (--help tells the options)"
if [[ -n $like ]]; then
    [[ -z $subwords$size$joined ]] || die "--like takes the pieces of $like: leave out --subwords, --size and --joined"
    [[ -r $like/prepare.settings && -d $like/data-bin ]] || die "nothing is prepared in $like; scripts/prepare.sh does it"
    like=$(cd -- "$like" && pwd)
    read -r subwords size <"$like/prepare.settings"
    joined=$(sed -n 's/^joined \(yes\)$/\1/p' "$like/prepare.settings")
fi
subwords=${subwords:-bpe} size=${size:-16000}
[[ $subwords == bpe || $subwords == sentencepiece ]] || die "--subwords $subwords: choose bpe or sentencepiece"
for option in size workers max_words max_chars max_pairs; do
    [[ $option == max_* && -z ${!option} || ${!option} =~ ^[1-9][0-9]*$ ]] ||
        die "--${option/_/-} ${!option}: not a whole number above 0"
done
[[ $max_ratio =~ ^([1-9][0-9]*(\.[0-9]+)?)?$ ]] || die "--max-ratio $max_ratio: not a number from 1 on"
[[ $out != *:* ]] || die "--out $out: fairseq cannot read a path with a colon; choose another"
for prefix in ${train:+"$train"} ${dev:+"$dev"} "${prefixes[@]}"; do
    for side in zh en; do [[ -r $prefix.$side ]] || die "cannot read $prefix.$side"; done
done
use_environment
mkdir -p -- "$out" 2>/dev/null || die "cannot make the folder $out"
out=$(cd -- "$out" && pwd)
[[ $out != "$like" ]] || die "--like and --out are the same folder; choose another --out"
only_one "$out/.lock" "scripts/prepare.sh on $out"
[[ -t 2 ]] || export TQDM_DISABLE=1 # no bars in a log

# codes SIDE: the file that holds the pieces of a language
codes() { if [[ $subwords == bpe ]]; then echo "codes.$1"; else echo "spm.$1.model"; fi; }

# belong_together DIR: ends if DIR has another file of pieces, or another dictionary, than when its data was binarised
belong_together() {
    local sum file
    [[ -e $1/data-bin/made.settings ]] || return 0
    while read -r sum file; do
        [[ -e $1/$file && $sum == $(checksum "$1/$file") ]] ||
            die "$1/$file is not the one that $1/data-bin was made with; put that back, or prepare another folder"
    done <"$1/data-bin/made.settings"
}
[[ -z $like ]] || belong_together "$like"
belong_together "$out"

# What somebody else has put there is neither to be taken for a step's output nor to be removed with them.
if [[ ! -e $out/prepare.settings ]]; then
    for file in "$out"/{clean,raw,tok,pieces,data-bin,tests.txt} "$out"/{report,codes,spm}.*; do
        [[ ! -e $file ]] || die "$file is not of scripts/prepare.sh; choose another --out"
    done
fi

limits=()
for option in max_words max_chars max_ratio; do
    [[ -z ${!option} ]] || limits+=("--${option/_/-}" "${!option}")
done
{
    echo "$subwords $size"
    echo "joined ${joined:-no}"
    [[ -z $like ]] || echo "like $(checksum "$like/$(codes zh)" "$like/$(codes en)" "$like"/data-bin/dict.{zh,en}.txt)"
    echo "max-pairs ${max_pairs:-all}"
    ((${#limits[@]} == 0)) || echo "limits ${limits[*]}"
    [[ -z $train ]] || echo "train $(checksum "$train.zh" "$train.en")"
    [[ -z $dev ]] || echo "dev $(checksum "$dev.zh" "$dev.en")"
    for i in "${!names[@]}"; do
        echo "test ${names[i]} $(checksum "${prefixes[i]}.zh" "${prefixes[i]}.en")"
    done
} | keep_settings "$out/prepare.settings" ||
    die "$out was prepared with other settings or text; choose another --out, or remove it"

steps=7 step=0
next() { step=$((step + 1)) && say "[$step/$steps] $1"; }
# there FILE...: whether all of a step's outputs exist already; they only ever appear whole
there() {
    local file
    for file in "$@"; do [[ -e $file ]] || return 1; done
}
# into FILE COMMAND...: what the command prints becomes FILE, once it has succeeded
into() {
    local file=$1 status
    shift
    there "$file" && return 0
    mkdir -p -- "$(dirname -- "$file")"
    "$@" >"$file.tmp" || {
        status=$?
        rm -f -- "$file.tmp"
        return "$status"
    }
    mv -- "$file.tmp" "$file"
}

# clean_text NAME PREFIX OPTION...
clean_text() {
    local name=$1 prefix=$2
    shift 2
    # The report is written last: it stands for the three.
    there "$out/clean/$name.json" && return 0
    mkdir -p -- "$out/clean"
    python -m experiments clean --zh="$prefix.zh" --en="$prefix.en" --output "$out/clean/$name" \
        --report "$out/clean/$name.json" ${limits[@]+"${limits[@]}"} "$@" >/dev/null || forget
}

# A reference stays as it is, but for marks that some tools take for the end of a line.
reference() { python -c 'import sys; from experiments.corpus.clean import lines_of
for line in lines_of(sys.argv[1]): print(" ".join(line.splitlines()))' "$1"; }

split_words() { python -m experiments.corpus.tokenize split --lang "$1" --workers "$2" <"$3"; }

# learn LANGUAGE WORDS. subword-nmt only uses more than one process on named files; it may find no more pairs to merge,
# which is no error.
learn() {
    say "      $1"
    case $subwords in
    bpe) subword-nmt learn-bpe --symbols "$size" --num-workers "$workers" --input "$2" ;;
    sentencepiece) python -m experiments.corpus.sentencepiece_model learn --size "$size" --lang "$1" "$2" ;;
    esac
}

# into_pieces CODES WORDS
into_pieces() {
    case $subwords in
    bpe) subword-nmt apply-bpe --codes "$1" --input "$2" --num-workers "$(workers_for "$2")" ;;
    sentencepiece) python -m experiments.corpus.sentencepiece_model apply --model "$1" "$2" ;;
    esac
}

# A refused text or size leaves nothing that depends on the settings behind, so that the folder can be given another.
forget() {
    local status=$?
    ((status != 2)) || rm -rf -- "$out"/{clean,raw,tok,prepare.settings} "$out"/{report,codes,spm}.*
    exit "$status"
}

# Small files are not worth starting processes for.
workers_for() { if (($(wc -l <"$1") > 5000)); then echo "$workers"; else echo 1; fi; }

sets=(${train:+train} ${dev:+dev} "${names[@]}")

next "cleaning"
[[ -z $train ]] || clean_text train "$train" ${max_pairs:+--max-pairs "$max_pairs"}
[[ -z $dev ]] || clean_text dev "$dev" --keep-duplicates
for i in "${!names[@]}"; do clean_text "${names[i]}" "${prefixes[i]}" --no-filter; done
into "$out/report.json" python -m experiments.corpus.summary --json "$out/clean" "${sets[@]}"
into "$out/report.txt" python -m experiments.corpus.summary "$out/clean" "${sets[@]}"
sed 's/^/      /' "$out/report.txt" >&2

next "keeping the references"
for i in "${!names[@]}"; do into "$out/raw/${names[i]}.en" reference "${prefixes[i]}.en"; done

next "Chinese words (jieba) and English words (Moses)"
for set in "${sets[@]}"; do
    for side in zh en; do
        text=$out/clean/$set.$side
        into "$out/tok/$set.$side" split_words "$side" "$(workers_for "$text")" "$text"
    done
done
[[ -z $train || -z $joined ]] || into "$out/tok/train.zh-en" cat -- "$out/tok/train.zh" "$out/tok/train.en"

next "pieces of words ($subwords $size)"
if [[ -n $like ]]; then
    for side in zh en; do into "$out/$(codes $side)" cat -- "$like/$(codes $side)"; done
elif [[ -n $joined ]]; then
    into "$out/$(codes zh)" learn joined "$out/tok/train.zh-en" || forget
    into "$out/$(codes en)" cat -- "$out/$(codes zh)"
else
    for side in zh en; do into "$out/$(codes $side)" learn "$side" "$out/tok/train.$side" || forget; done
fi

next "cutting words into them"
for set in "${sets[@]}"; do
    for side in zh en; do
        into "$out/pieces/$set.$side" into_pieces "$out/$(codes $side)" "$out/tok/$set.$side"
    done
done

next "naming the test sets"
list_tests() {
    local i
    for i in "${!names[@]}"; do printf 'test%s\t%s\n' "${i#0}" "${names[i]}"; done
}
into "$out/tests.txt" list_tests

next "binarising (fairseq-preprocess)"
if ! there "$out/data-bin"; then
    rm -rf -- "$out/data-bin.tmp"
    # fairseq splits a list of prefixes at commas, so it is given paths without any.
    tests=$(printf ',pieces/%s' "${names[@]}")
    dictionaries=(${joined:+--joined-dictionary})
    [[ -z $like ]] || dictionaries=(--srcdict "$like/data-bin/dict.zh.txt" --tgtdict "$like/data-bin/dict.en.txt")
    if ! (cd -- "$out" && python -m fairseq_cli.preprocess --source-lang zh --target-lang en \
        ${train:+--trainpref pieces/train} ${dev:+--validpref pieces/dev} --testpref "${tests#,}" \
        --destdir data-bin.tmp ${dictionaries[@]+"${dictionaries[@]}"} --workers "$workers") \
        >"$out/preprocess.log" 2>&1; then
        tail -n 15 -- "$out/preprocess.log" >&2
        die "fairseq-preprocess failed; all it said is in $out/preprocess.log"
    fi
    for side in zh en; do
        echo "$(checksum "$out/$(codes $side)") $(codes $side)"
        echo "$(checksum "$out/data-bin.tmp/dict.$side.txt") data-bin/dict.$side.txt"
    done >"$out/data-bin.tmp/made.settings"
    mv -- "$out/data-bin.tmp" "$out/data-bin"
fi

say "ready: $out/data-bin (zh: $(wc -l <"$out/data-bin/dict.zh.txt") pieces, en: $(wc -l <"$out/data-bin/dict.en.txt"))"
