#!/usr/bin/env bash
# scripts/lm.sh DIR OUT [--ratios "5 10"] [--methods "svd direction see"] [--weights "none frequency"] [key=value ...]
#
# What compressing the tokens' vectors does to the perplexity of a trained language model (Balazy et al. 2021 measure it
# so). On the English of DIR, made by scripts/prepare.sh and index.sh: trains a Transformer language model with a dense
# table and a tied output (configs/lm_en.yaml; key=value overrides it), compresses the table by each method, for the
# input alone and for the output with it, and prints the perplexities on the test set as a table.
#
#   svd        truncated SVD
#   direction  their autoencoder: a linear one, whose loss watches the direction of rows
#   see        SEE's vectors, fitted to the table
# Each is a preset of fairseq-see fit, with all rows alike (none), or counted by the frequency of their words.
#
# Nothing is trained on after compressing. OUT/data-bin is the text, OUT/dense the model, OUT/METHOD.RATIO.tied.pt and
# .input.pt (METHOD.frequency.RATIO... by frequency) what was made of it, and a .log beside each. What is there already is
# not made again.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

paths=() ratios="5 10" methods="svd direction see" weights="none frequency" overrides=()
while (($#)); do
    case $1 in
    -h | --help) usage 0 ;;
    --ratios | --methods | --weights) (($# > 1)) || die "$1 needs a value"
        printf -v "${1#--}" %s "$2" && shift 2 ;;
    -*) die "unknown option $1 (--help tells the options)" ;;
    *=*) overrides+=("$1") && shift ;;
    *) paths+=("$1") && shift ;;
    esac
done
((${#paths[@]} == 2)) || usage
dir=${paths[0]} out=${paths[1]}

for ratio in $ratios; do need_ratio --ratios "$ratio"; done
# In place of what the recipe has; not tuned.
declare -A options_of=([svd]="" [direction]="" [see]="--epochs 200")
for method in $methods; do
    [[ -v options_of[$method] ]] || die "unknown method $method; there are: svd, direction, see"
done
for weighting in $weights; do
    [[ $weighting == none || $weighting == frequency ]] || die "unknown weights $weighting; there are: none, frequency"
done
for file in pieces/{train,dev,test}.en data-bin/dict.en.txt data-bin/dict.en.see; do
    [[ -e $dir/$file ]] || die "no $dir/$file; run scripts/prepare.sh (with --test test=...) and index.sh first"
done
use_environment
claim "$out"
checksum "$dir"/pieces/{train,dev,test}.en "$dir"/data-bin/dict.en.{txt,see} | keep_settings "$out/text.settings" ||
    die "$out is of another text or unit index than $dir has; choose another folder"
data=$out/data-bin

if [[ ! -e $data ]]; then
    say "binarising the English text"
    rm -rf -- "$data.tmp"
    logged "$out/preprocess.log" python -m fairseq_cli.preprocess --only-source --srcdict "$dir/data-bin/dict.en.txt" \
        --trainpref "$dir/pieces/train.en" --validpref "$dir/pieces/dev.en" --testpref "$dir/pieces/test.en" \
        --destdir "$data.tmp"
    # The dictionary is the same, and so is its index.
    cp -- "$dir/data-bin/dict.en.see" "$data.tmp/dict.see"
    mv -- "$data.tmp" "$data"
fi

"$root/scripts/train.sh" lm_en "$data" "$out/dense" model.see_method=dense ${overrides[@]+"${overrides[@]}"} >&2
dense=$out/dense/checkpoints/checkpoint_best.pt

# compress NAME RATIO OPTION...
compress() {
    local name=$1 ratio=$2
    shift 2
    [[ $out/$name.pt -nt $dense ]] && return 0
    say "$name"
    logged "$out/$name.fit.log" fairseq-see fit "$dense" --output "$out/$name.pt" --data "$data" --see-ratio "$ratio" "$@"
}

# perplexity NAME CHECKPOINT: on the test set, a sentence at a time
perplexity() {
    local log=$out/$1.eval.log
    [[ $log -nt $2 ]] || {
        logged "$log.tmp" python -m fairseq_cli.eval_lm "$data" --user-dir "$root/fairseq_see" --path "$2" \
            --sample-break-mode eos --tokens-per-sample 256 --max-tokens 4096 --required-batch-size-multiple 1 \
            --no-progress-bar
        mv -- "$log.tmp" "$log"
    }
    grep -o 'Perplexity: .*' -- "$log" | cut -d ' ' -f 2
}

rows=("| dense | 1x | $(perplexity dense "$dense") | as beside |")
for ratio in $ratios; do
    for method in $methods; do
        for weighting in $weights; do
            read -r -a options <<<"--preset $method --weights $weighting ${options_of[$method]}"
            name=$method said=$method
            [[ $weighting == none ]] || name+=.$weighting said+=", by $weighting"
            compress "$name.$ratio.input" "$ratio" --input-only "${options[@]}"
            compress "$name.$ratio.tied" "$ratio" "${options[@]}"
            row="| $said | ${ratio}x"
            for side in input tied; do row+=" | $(perplexity "$name.$ratio.$side" "$out/$name.$ratio.$side.pt")"; done
            rows+=("$row |")
        done
    done
done
echo "| table | compressed | perplexity, input alone | perplexity, input and tied output |"
echo "|---|---:|---:|---:|"
printf '%s\n' "${rows[@]}"
