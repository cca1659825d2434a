#!/usr/bin/env bash
# scripts/search.sh DIR OUT [--methods "dense see morphte"] [--ratio 20] [--rates "0.0005 0.001 0.002"]
#                   [--warmups "50 150"] --updates N [--seed 1] [--config small_zh_en] [--jobs N] [--gpus LIST]
#                   [key=value ...]
#
# Searches learning rate and warm-up of every method with one budget for all: each rate with each warm-up is a training of
# N updates on DIR (made by scripts/prepare.sh and index.sh), OUT/METHOD-rateR-warmupW-updatesN. The rate rises over the
# warm-up and falls to zero at the last update. What counts is the perplexity on the development set; no test set is
# translated or scored.
#
#   OUT/trials.md     every trial, those that diverged or did not end among them, also printed; the best of each method
#   OUT/recipes.yaml  the overrides of the best, for scripts/reproduce.sh --recipes; written when every trial has ended
#
# Started again, it goes on with what did not end; other rates or warm-ups add trials to those that are in OUT already.
#
#   --ratio     of the methods that compress
#   --jobs N, --gpus LIST
#               trials side by side, and on which GPUs (as of scripts/sweep.sh)
#   key=value   overrides every trial, and is part of the recipes
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

paths=() overrides=() jobs=() methods="dense see morphte" ratio=20 rates="0.0005 0.001 0.002" warmups="50 150" updates=''
seed=1 config=small_zh_en
while (($#)); do
    case $1 in
    -h | --help) usage 0 ;;
    --methods | --ratio | --rates | --warmups | --updates | --seed | --config) (($# > 1)) || die "$1 needs a value"
        printf -v "${1#--}" %s "$2" && shift 2 ;;
    --jobs | --gpus) (($# > 1)) || die "$1 needs a value"
        jobs+=("$1" "$2") && shift 2 ;;
    -*) die "unknown option $1 (--help tells the options)" ;;
    *=*) overrides+=("$1") && shift ;;
    *) paths+=("$1") && shift ;;
    esac
done
((${#paths[@]} == 2)) || usage
dir=${paths[0]} out=${paths[1]} config=${config%.yaml}
[[ -n $updates ]] || die "--updates is missing: how long a trial is"
for number in $updates $seed $warmups; do
    [[ $number =~ ^[0-9]+$ ]] || die "--updates, --seed and --warmups must be whole numbers, not $number"
done
need_ratio --ratio "$ratio"
for rate in $rates; do
    [[ $rate =~ ^[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?$ ]] || die "--rates $rate: not a number"
done
read -r -a methods <<<"$methods"
read -r -a rates <<<"$rates"
read -r -a warmups <<<"$warmups"
((${#methods[@]} && ${#rates[@]} && ${#warmups[@]})) || die "--methods, --rates and --warmups must not be empty"
[[ -d $dir/data-bin ]] || die "no $dir/data-bin; scripts/prepare.sh makes it"
[[ -f $root/configs/$config.yaml ]] || die "no configuration $config in $root/configs"
use_environment
search=("$out" --data "$dir" --config "$config" --ratio "$ratio" --seed "$seed" --updates "$updates"
    --methods "${methods[@]}" --rates "${rates[@]}" --warmups "${warmups[@]}" --overrides ${overrides[@]+"${overrides[@]}"})
list=$out/search.yaml
# Before anything is made.
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
left=$(python -m experiments.tune "${search[@]}" --list "$work/search.yaml")

claim "$out"
{
    echo "configuration $(checksum "$root/configs/$config.yaml")"
    echo "data $(checksum "$dir"/data-bin/dict.*txt "$dir"/data-bin/train.*bin)"
    echo "indexes $(cat -- "$dir"/data-bin/dict*.see 2>/dev/null | checksum -)"
    echo "ratio $ratio"
    echo "seed $seed"
    for override in ${overrides[@]+"${overrides[@]}"}; do echo "override $override"; done
} | keep_settings "$out/search.settings" ||
    die "$out has trials with other settings, which cannot be compared; choose another folder"

if ((left)); then
    mv -- "$work/search.yaml" "$list"
    "$root/scripts/sweep.sh" "$list" "$dir" "$out" --train-only ${jobs[@]+"${jobs[@]}"} &
    sweep=$!
    trap 'kill "$sweep" 2>/dev/null && wait "$sweep" || true; rm -rf -- "$work"' EXIT
    trap 'exit 130' INT TERM
    # What failed is in the table, with the reason.
    wait "$sweep" || true
    trap 'rm -rf -- "$work"' EXIT
    trap - INT TERM
fi
python -m experiments.tune "${search[@]}"
