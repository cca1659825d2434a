#!/usr/bin/env bash
# scripts/index.sh DIR --senses TSV | --openhownet [FOLDER] [options of fairseq-see index]
#
# Builds the unit index (senses and morphemes) of both dictionaries of a folder made by scripts/prepare.sh, and puts
# them beside the dictionaries, where models look for them: DIR/data-bin/dict.zh.see and dict.en.see. Further options,
# such as --rank 5 or --control random-senses, go to both; --morphology en=polyglot is one for English alone. An index
# that is there and was made in the same way is kept.
#
#   --senses TSV           senses from a table, such as data/senses.tsv
#   --openhownet [FOLDER]  senses from HowNet's own files, through the package OpenHowNet, which keeps them in
#                          ~/.openhownet; --download fetches them, if FOLDER has none
#   --out FOLDER           puts the indexes there instead, for training with +model.see_index=FOLDER
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

dir='' out='' senses=() files=() options=()
while (($#)); do
    case $1 in
    -h | --help) usage 0 ;;
    --senses) (($# > 1)) || die "--senses needs a value"
        [[ -r $2 ]] || die "cannot read $2"
        senses+=(--senses "$2") files+=("$2") && shift 2 ;;
    --openhownet) folder=$HOME/.openhownet && shift
        if (($#)) && [[ $1 != -* ]]; then folder=$1 && shift; fi
        senses+=(--openhownet "$folder")
        files+=("$folder"{,/resources}/{sememe_all,sememe_triples_taxonomy.txt,HowNet_dict_complete}) ;;
    --out) (($# > 1)) || die "--out needs a value"
        out=$2 && shift 2 ;;
    --download) senses+=(--download) && shift ;;
    --senses=* | --out=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
    --output | --lang | --corpus | --json | --output=* | --lang=* | --corpus=* | --json=*)
        die "${1%%=*} is set by this script; use fairseq-see index for a single dictionary" ;;
    *) if [[ -z $dir && $1 != -* ]]; then dir=$1; else options+=("$1"); fi
        shift ;;
    esac
done
[[ -n $dir ]] || usage
((${#files[@]})) || die "--senses or --openhownet is missing: HowNet's senses, or others such as data/senses.tsv"
data=$dir/data-bin
[[ -e $data/dict.zh.txt && -e $data/dict.en.txt ]] || die "no dictionaries in $data; run scripts/prepare.sh first"
[[ -e $dir/tok/train.zh ]] || die "$dir was prepared without training data; its models bring their indexes along"
use_environment
out=${out:-$data}

if [[ " ${options[*]-}" == *polyglot* ]]; then
    files+=("${POLYGLOT_DATA_PATH:-$HOME}"/polyglot_data/morph2/*/*)
fi

# settings SIDE LANGUAGE WORDS: what its index is made of, and how. Files that are missing may be yet to come (--download).
settings() {
    { cat -- "${files[@]}" 2>/dev/null || true; cat -- "$data/dict.$1.txt" "$3"; } | checksum - | tr '\n' ' '
    printf '%s\n' "$2 ${options[*]-}"
}

# index SIDE LANGUAGE WORDS
index() {
    local output=$out/dict.$1.see
    if [[ -e $output && $(cat -- "$output.settings" 2>/dev/null) == "$(settings "$@")" ]]; then
        say "      $output is there"
        return 0
    fi
    rm -f -- "$output.settings"
    fairseq-see index "$data/dict.$1.txt" --lang "$2" "${senses[@]}" --corpus "$3" --output "$output" \
        ${options[@]+"${options[@]}"}
    settings "$@" >"$output.settings"
}

if cmp -s -- "$data/dict.zh.txt" "$data/dict.en.txt"; then
    say "[1/1] index of the joined dictionary"
    index zh zh,en "$dir/tok/train.zh-en"
    cp -- "$out/dict.zh.see" "$out/dict.en.see.tmp"
    mv -- "$out/dict.en.see.tmp" "$out/dict.en.see"
else
    say "[1/2] index of the Chinese dictionary"
    index zh zh "$dir/tok/train.zh"
    say "[2/2] index of the English dictionary"
    index en en "$dir/tok/train.en"
fi
