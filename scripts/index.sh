#!/usr/bin/env bash
# scripts/index.sh DIR [--out FOLDER] --senses TSV | --openhownet FOLDER [options of fairseq-see index]
#
# Builds the unit index (senses and morphemes) of both dictionaries of a folder made by scripts/prepare.sh, beside the
# dictionaries, where models look for it: DIR/data-bin/dict.LANG.see. Options such as --rank 5 or --control random-senses
# go to both; --morphology en=polyglot is one for English alone.
#
#   --senses TSV         senses from a table, such as data/senses.tsv
#   --openhownet FOLDER  senses from HowNet's own files, through the package OpenHowNet (~/.openhownet); --download
#                        fetches them, if FOLDER has none
#   --out FOLDER         puts the indexes there instead, for training with +model.see_index=FOLDER
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
(($#)) || usage
dir=$1 out=$1/data-bin
shift
if [[ ${1:-} == --out ]]; then out=$2 && shift 2; fi
dictionaries=("$dir"/data-bin/dict.*.txt)
[[ -e ${dictionaries[0]} ]] || die "no dictionaries in $dir/data-bin; run scripts/prepare.sh first"
use_environment
mkdir -p -- "$out"

if [[ ${#dictionaries[@]} == 2 ]] && cmp -s -- "${dictionaries[@]}"; then
    first=$(basename -- "${dictionaries[0]}" .txt) second=$(basename -- "${dictionaries[1]}" .txt)
    languages=${first#dict.},${second#dict.}
    fairseq-see index "${dictionaries[0]}" --lang "$languages" --corpus "$dir"/tok/train.*-* --output "$out/$first.see" "$@"
    cp -- "$out/$first.see" "$out/$second.see"
else
    for dictionary in "${dictionaries[@]}"; do
        name=$(basename -- "$dictionary" .txt)
        language=${name#dict.}
        fairseq-see index "$dictionary" --lang "$language" --corpus "$dir/tok/train.$language" \
            --output "$out/$name.see" "$@"
    done
fi
