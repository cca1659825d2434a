#!/usr/bin/env bash
# scripts/fit.sh RUN OUT DIR [option of fairseq-see fit ...]
#
# Compresses the embedding matrices of a trained run (of scripts/train.sh, on DIR of scripts/prepare.sh) into a run of its
# own, which scripts/score.sh scores like a trained one; for example quantised, without training anything further:
#
#   scripts/fit.sh runs/dense runs/int8 runs/mine --see-method int8 --epochs 0
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
(($# >= 3)) || usage
run=$1 out=$2 dir=$3
shift 3
use_environment
[[ -e $run/checkpoints/checkpoint_best.pt ]] || die "no $run/checkpoints/checkpoint_best.pt; scripts/train.sh makes it"
take_gpu
mkdir -p -- "$out/checkpoints"
cp -- "$run"/dict*.txt "$out"
fairseq-see fit "$run/checkpoints/checkpoint_best.pt" --output "$out/checkpoints/checkpoint_best.pt" \
    --data "$dir/data-bin" --json "$@" >"$out/fit.json"
task=translation
[[ ! -e $dir/data-bin/dict.txt ]] || task=language_modeling
fairseq-validate "$dir/data-bin" --user-dir "$root/fairseq_see" --task "$task" \
    --path "$out/checkpoints/checkpoint_best.pt" --max-tokens 4096 --required-batch-size-multiple 1 \
    --skip-invalid-size-inputs-valid-test --no-progress-bar --log-format json >"$out/valid.log" 2>&1 ||
    { tail -n 12 -- "$out/valid.log" >&2 && exit 1; }
python -m experiments.recording fitted "$out" "$dir/data-bin"
