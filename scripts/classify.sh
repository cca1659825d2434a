#!/usr/bin/env bash
# scripts/classify.sh DATA-BIN RUN METHOD RATIO [option of fairseq-train ...]
#
# Trains a RoBERTa from scratch that distinguishes questions from statements, their closing mark taken away; the target
# classification of experiments/Snakefile makes the data, and measures the accuracy on the test set.
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
(($# >= 4)) || usage
data=$1 run=$2 method=$3 ratio=$4
shift 4
use_environment
mkdir -p -- "$run/checkpoints"
embedding=(--see-method "$method")
[[ $method == dense ]] || embedding+=(--see-ratio "$ratio" --see-index "$data/input0")

fairseq-train "$data" --user-dir "$root/fairseq_see" --save-dir "$run/checkpoints" \
    --task sentence_prediction --criterion sentence_prediction --num-classes 2 --init-token 0 \
    --max-positions 128 --shorten-method truncate --required-batch-size-multiple 1 \
    --best-checkpoint-metric accuracy --maximize-best-checkpoint-metric \
    --arch see_roberta --encoder-layers 2 --encoder-embed-dim 216 --encoder-ffn-embed-dim 512 \
    --encoder-attention-heads 4 --pooler-dropout 0.1 "${embedding[@]}" \
    --optimizer adam --adam-betas "(0.9, 0.98)" --clip-norm 1 --lr 0.001 --lr-scheduler inverse_sqrt \
    --warmup-updates 100 --batch-size 32 --max-epoch 10 --seed 1 --num-workers 0 \
    --update-epoch-batch-itr True --no-epoch-checkpoints --no-progress-bar \
    --log-format json --log-file "$run/train.log" "$@" >>"$run/fairseq.log" 2>&1 ||
    { tail -n 12 -- "$run/fairseq.log" >&2 && exit 1; }
python -m experiments.recording classifier "$run"
