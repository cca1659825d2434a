#!/usr/bin/env bash
# scripts/prepare.sh --train PREFIX --dev PREFIX --test NAME=PREFIX [--test ...] --out DIR
#                    [--bpe N] [--joined] [--workers N] [--max-pairs N]
#
# From raw text (PREFIX.zh and PREFIX.en, line-aligned, UTF-8) to binarised data: cleaning, words (jieba, Moses), BPE,
# fairseq-preprocess.
#
#   --test NAME=PREFIX  a test set and the name it has in scores; may be repeated
#   --bpe N             merges of BPE, for each side or for both together (default 16000)
#   --joined            one BPE and one dictionary for both languages
#   --workers N         processes (default: all processors)
#   --max-pairs N       only the first N fit pairs of the training data
#
# Leaves in DIR: clean/ and tok/ (text before and after words are split), bpe/, codes.*, data-bin/ (for fairseq),
# raw/NAME.en (the references) and tests.txt (which of fairseq's test, test1, ... is which NAME). A step whose output is
# there is not done again; DIR belongs to one choice of settings and input.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

train='' dev='' out='' bpe=16000 joined='' max_pairs='' names=() prefixes=()
workers=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)

while (($#)); do
    case $1 in
    --train | --dev | --test | --out | --bpe | --workers | --max-pairs) (($# > 1)) || die "$1 needs a value" ;;&
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
    --bpe) bpe=$2 && shift 2 ;;
    --joined) joined=yes && shift ;;
    --workers) workers=$2 && shift 2 ;;
    --max-pairs) max_pairs=$2 && shift 2 ;;
    -h | --help) usage 0 ;;
    *) die "unknown option $1 (--help tells the options)" ;;
    esac
done
for option in train dev out; do [[ -n ${!option} ]] || die "--$option is missing (--help tells the options)"; done
((${#names[@]})) || die "--test is missing (--help tells the options)"
for option in bpe workers max_pairs; do
    [[ $option == max_pairs && -z $max_pairs || ${!option} =~ ^[1-9][0-9]*$ ]] ||
        die "--${option/_/-} ${!option}: not a whole number above 0"
done
[[ $out != *:* ]] || die "--out $out: fairseq cannot read a path with a colon; choose another"
for prefix in "$train" "$dev" "${prefixes[@]}"; do
    for side in zh en; do [[ -r $prefix.$side ]] || die "cannot read $prefix.$side"; done
done
use_environment
mkdir -p -- "$out" 2>/dev/null || die "cannot make the folder $out"
out=$(cd -- "$out" && pwd)
only_one "$out/.lock" "scripts/prepare.sh on $out"
[[ -t 2 ]] || export TQDM_DISABLE=1 # no bars in a log

{
    echo "bpe $bpe"
    echo "joined ${joined:-no}"
    echo "max-pairs ${max_pairs:-all}"
    echo "train $(checksum "$train.zh" "$train.en")"
    echo "dev $(checksum "$dev.zh" "$dev.en")"
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
    local file=$1
    shift
    there "$file" && return 0
    mkdir -p -- "$(dirname -- "$file")"
    "$@" >"$file.tmp"
    mv -- "$file.tmp" "$file"
}

# clean_text NAME PREFIX OPTION...
clean_text() {
    local name=$1 prefix=$2
    shift 2
    # The report is written last: it stands for the three.
    there "$out/clean/$name.json" && return 0
    say "      $name"
    mkdir -p -- "$out/clean"
    fairseq-see clean --zh "$prefix.zh" --en "$prefix.en" --output "$out/clean/$name" \
        --report "$out/clean/$name.json" "$@" >&2
}

# A reference stays as it is, but for marks that some tools take for the end of a line.
reference() { python -c 'import sys; from fairseq_see.corpus.clean import lines_of
for line in lines_of(sys.argv[1]): print(" ".join(line.splitlines()))' "$1"; }

split_words() { python -m fairseq_see.corpus.words split --lang "$1" --workers "$2" <"$3"; }

# subword-nmt only uses more than one process on named files; it may find no more pairs to merge, which is no error.
learn_codes() {
    say "      $(basename -- "$1")"
    subword-nmt learn-bpe --symbols "$bpe" --num-workers "$workers" --input "$1"
}

# Small files are not worth starting processes for.
workers_for() { if (($(wc -l <"$1") > 5000)); then echo "$workers"; else echo 1; fi; }

sets=(train dev "${names[@]}")

next "cleaning"
clean_text train "$train" ${max_pairs:+--max-pairs "$max_pairs"}
clean_text dev "$dev" --keep-duplicates
for i in "${!names[@]}"; do clean_text "${names[i]}" "${prefixes[i]}" --no-filter; done

next "keeping the references"
for i in "${!names[@]}"; do into "$out/raw/${names[i]}.en" reference "${prefixes[i]}.en"; done

next "Chinese words (jieba) and English words (Moses)"
for set in "${sets[@]}"; do
    for side in zh en; do
        text=$out/clean/$set.$side
        into "$out/tok/$set.$side" split_words "$side" "$(workers_for "$text")" "$text"
    done
done

next "learning $bpe merges of BPE"
if [[ -n $joined ]]; then
    into "$out/tok/train.zh-en" cat -- "$out/tok/train.zh" "$out/tok/train.en"
    into "$out/codes.zh" learn_codes "$out/tok/train.zh-en"
    into "$out/codes.en" cat -- "$out/codes.zh"
else
    for side in zh en; do into "$out/codes.$side" learn_codes "$out/tok/train.$side"; done
fi

next "applying BPE"
for set in "${sets[@]}"; do
    for side in zh en; do
        words=$out/tok/$set.$side
        into "$out/bpe/$set.$side" subword-nmt apply-bpe --codes "$out/codes.$side" --input "$words" \
            --num-workers "$(workers_for "$words")"
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
    # fairseq splits a list of prefixes at commas, so it is given paths without any.
    rm -rf -- "$out/data-bin.tmp"
    tests=$(printf ',bpe/%s' "${names[@]}")
    if ! (cd -- "$out" && python -m fairseq_cli.preprocess --source-lang zh --target-lang en --trainpref bpe/train \
        --validpref bpe/dev --testpref "${tests#,}" --destdir data-bin.tmp ${joined:+--joined-dictionary} \
        --workers "$workers") >"$out/preprocess.log" 2>&1; then
        tail -n 15 -- "$out/preprocess.log" >&2
        die "fairseq-preprocess failed; all it said is in $out/preprocess.log"
    fi
    mv -- "$out/data-bin.tmp" "$out/data-bin"
fi
say "ready: $out/data-bin (zh: $(wc -l <"$out/data-bin/dict.zh.txt") pieces, en: $(wc -l <"$out/data-bin/dict.en.txt"))"
