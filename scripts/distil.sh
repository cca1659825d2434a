#!/usr/bin/env bash
# scripts/distil.sh TEACHER DIR OUT [--ratio 10] [--methods "svd direction see morphte"] [--updates 300] [--start 100]
#                   [--trainings "distilled unstaged scratch"] [--config small_distil_zh_en]
#                   [--scratch-config small_zh_en] [--jobs N] [key=value ...]
#
# Compresses a trained translation model, in up to four ways for each method, and scores what comes of each:
#
#   OUT/METHOD-RATIOx-fit        its tables replaced by compressed ones that are fitted to them, nothing trained on
#   OUT/METHOD-RATIOx-distilled  that, taught by the model (criterion see_distillation) for --updates, of which the first
#                                --start are the start stage
#   OUT/METHOD-RATIOx-unstaged   the same without a start stage
#   OUT/METHOD-RATIOx-scratch    the compressed model, trained from nothing in as many updates, without a teacher
#
# TEACHER is a finished run of scripts/train.sh with dense tables, DIR its data (scripts/prepare.sh, index.sh). Each folder is a
# run that `python -m experiments report OUT` reads. What is there already is not made again.
#
#   --methods  recipes of fairseq-see fit: svd, truncated SVD; direction, the linear autoencoder of Balazy et al. 2021; see
#              and morphte, fitted by Adam
#   --config, --scratch-config  of configs/, for the trainings with a teacher and for those without: one recipe and model
#   --jobs N   trainings side by side (as of scripts/sweep.sh)
#   key=value  overrides every training
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

paths=() overrides=() jobs=() ratio=10 methods="svd direction see morphte" updates=300 start=100
trainings="distilled unstaged scratch" config=small_distil_zh_en scratch_config=small_zh_en
while (($#)); do
    case $1 in
    -h | --help) usage 0 ;;
    --ratio | --methods | --updates | --start | --trainings | --config | --scratch-config) (($# > 1)) || die "$1 needs a value"
        name=${1#--} && printf -v "${name//-/_}" %s "$2" && shift 2 ;;
    --jobs) (($# > 1)) || die "--jobs needs a value"
        jobs=(--jobs "$2") && shift 2 ;;
    -*) die "unknown option $1 (--help tells the options)" ;;
    *=*) overrides+=("$1") && shift ;;
    *) paths+=("$1") && shift ;;
    esac
done
((${#paths[@]} == 3)) || usage
teacher=${paths[0]}/checkpoints/checkpoint_best.pt dir=${paths[1]} out=${paths[2]}
for number in "$updates" "$start"; do
    [[ $number =~ ^[0-9]+$ ]] || die "--updates and --start must be whole numbers, not $number"
done
((start < updates)) || die "--start $start leaves none of the $updates updates for the formal stage"

need_ratio --ratio "$ratio"

# The models that presets of fairseq-see fit make.
declare -A model_of=(
    [svd]="model.see_method=low_rank"
    [direction]="model.see_method=low_rank +model.see_args.bias=true"
    [see]="model.see_method=see"
    [morphte]="model.see_method=morphte"
)
# What a preset sets besides, which training from scratch does not.
declare -A preset_of=([see]="+model.see_args.layernorm=false +model.see_args.frequent_share=0")
for method in $methods; do
    [[ -n ${model_of[$method]-} ]] || die "unknown method $method; there are: svd, direction, see, morphte"
done
for training in $trainings; do
    [[ $training == distilled || $training == unstaged || $training == scratch ]] ||
        die "unknown training $training; there are: distilled, unstaged, scratch"
done
[[ -e $teacher ]] || die "no $teacher; scripts/train.sh makes it"
[[ -d $dir/data-bin ]] || die "no $dir/data-bin; scripts/prepare.sh makes it"
use_environment
claim "$out"
out=$(cd -- "$out" && pwd)
teacher=$(absolute "$teacher")

for method in $methods; do
    run=$out/$method-${ratio}x-fit
    checkpoint=$run/checkpoints/checkpoint_best.pt
    "$root/scripts/fit.sh" "${paths[0]}" "$run" --preset "$method" --see-ratio "$ratio" --data "$dir/data-bin"
    if [[ ! $run/valid.log -nt $checkpoint ]]; then
        logged "$run/valid.log.tmp" python -m fairseq_cli.validate "$dir/data-bin" --user-dir "$root/fairseq_see" \
            --task translation --source-lang zh --target-lang en --path "$checkpoint" --max-tokens 4096 \
            --required-batch-size-multiple 1 --skip-invalid-size-inputs-valid-test --no-progress-bar --log-format simple
        mv -- "$run/valid.log.tmp" "$run/valid.log"
    fi
    "$root/scripts/score.sh" "$run" "$dir"
done

if [[ -n $trainings ]]; then
    # The trainings, as a list for scripts/sweep.sh: rate, warm-up and length are the same for all.
    list=$out/distil-${ratio}x.yaml
    for method in $methods; do
        read -r -a model <<<"${model_of[$method]}"
        common=(lr_scheduler._name=polynomial_decay "lr_scheduler.warmup_updates=$((updates / 6))"
            "++lr_scheduler.total_num_update=$updates" "optimization.max_update=$updates" optimization.max_epoch=0
            "${model[@]}" "model.see_ratio=$ratio")
        fitted=$out/$method-${ratio}x-fit/checkpoints/checkpoint_best.pt
        read -r -a preset <<<"${preset_of[$method]-}"
        taught=(${preset[@]+"${preset[@]}"} "criterion.teacher=$(quoted_for_hydra "$teacher")"
            "checkpoint.finetune_from_model=$(quoted_for_hydra "$fitted")")
        for training in $trainings; do
            case $training in
            distilled) given=("$config" "${common[@]}" "${taught[@]}" "criterion.start_updates=$start") ;;
            unstaged) given=("$config" "${common[@]}" "${taught[@]}") ;;
            scratch) given=("$scratch_config" "${common[@]}") ;;
            esac
            (IFS=$'\t' && echo "$method-${ratio}x-$training"$'\t'"${given[*]}")
        done
    done | python -c 'import sys, yaml
rows = [line.rstrip("\n").split("\t") for line in sys.stdin]
runs = [{"name": name, "config": config, "overrides": overrides} for name, config, *overrides in rows]
yaml.safe_dump({"runs": runs}, sys.stdout, sort_keys=False)' >"$list.tmp"
    mv -- "$list.tmp" "$list"
    "$root/scripts/sweep.sh" "$list" "$dir" "$out" ${jobs[@]+"${jobs[@]}"} ${overrides[@]+"${overrides[@]}"} &
    sweep=$!
    trap 'kill "$sweep" 2>/dev/null && wait "$sweep" || true' EXIT
    trap 'exit 130' INT TERM
    wait "$sweep"
    trap - EXIT INT TERM
fi

# BLEU and perplexity on the development set, of all there is.
python - "$out" <<'PY'
import json, sys
from pathlib import Path

from experiments.training_log import best_perplexity

runs = [run for run in sorted(Path(sys.argv[1]).iterdir()) if any(run.glob("*.scores.json"))]
tests = sorted({file.name.removesuffix(".scores.json") for run in runs for file in run.glob("*.scores.json")})
print(f"| run | perplexity | {' | '.join(f'BLEU {test}' for test in tests)} |")
print("|---|---:|" + "---:|" * len(tests))
for run in runs:
    files = [run / f"{test}.scores.json" for test in tests]
    scores = [f"{json.loads(file.read_text())['bleu']:.1f}" if file.is_file() else "" for file in files]
    perplexity = best_perplexity(run)
    print(f"| {run.name} | {'' if perplexity is None else f'{perplexity:.1f}'} | {' | '.join(scores)} |")
PY
