#!/usr/bin/env bash
# scripts/index.sh DIR --hownet TSV [options of fairseq-see index]
#
# Builds the unit index (senses and morphemes) of both dictionaries of a folder made by scripts/prepare.sh, and puts
# them beside the dictionaries, where models look for them: DIR/data-bin/dict.zh.see and dict.en.see. Further options,
# such as --rank 5 or --morphology characters, go to both. An index that is there and was made in the same way is kept.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

dir='' hownet='' options=()
while (($#)); do
    case $1 in
    -h | --help) usage 0 ;;
    --hownet) (($# > 1)) || die "--hownet needs a value"
        hownet=$2 && shift 2 ;;
    --output | --lang | --corpus | --json) die "$1 is set by this script; use fairseq-see index for a single dictionary" ;;
    *) if [[ -z $dir && $1 != -* ]]; then dir=$1; else options+=("$1"); fi
        shift ;;
    esac
done
[[ -n $dir ]] || usage
[[ -n $hownet ]] || die "--hownet is missing: a table of senses, such as data/senses.tsv"
[[ -r $hownet ]] || die "cannot read $hownet"
data=$dir/data-bin
[[ -e $data/dict.zh.txt && -e $data/dict.en.txt ]] || die "no dictionaries in $data; run scripts/prepare.sh first"
use_environment

# index SIDE LANGUAGE WORDS
index() {
    local output=$data/dict.$1.see settings
    settings=$(checksum "$hownet" "$data/dict.$1.txt" "$3")" $2 ${options[*]-}"
    if [[ -e $output && $(cat -- "$output.settings" 2>/dev/null) == "$settings" ]]; then
        say "      $output is there"
        return 0
    fi
    rm -f -- "$output.settings"
    fairseq-see index "$data/dict.$1.txt" --lang "$2" --hownet "$hownet" --corpus "$3" --output "$output" \
        ${options[@]+"${options[@]}"}
    printf '%s\n' "$settings" >"$output.settings"
}

if cmp -s -- "$data/dict.zh.txt" "$data/dict.en.txt"; then
    say "[1/1] index of the joined dictionary"
    index zh joined "$dir/tok/train.zh-en"
    cp -- "$data/dict.zh.see" "$data/dict.en.see.tmp"
    mv -- "$data/dict.en.see.tmp" "$data/dict.en.see"
else
    say "[1/2] index of the Chinese dictionary"
    index zh zh "$dir/tok/train.zh"
    say "[2/2] index of the English dictionary"
    index en en "$dir/tok/train.en"
fi
