#!/usr/bin/env bash
# scripts/train_v100.sh DATA-BIN RUN [option of fairseq-train ...]
#
# The paper's setting on one V100, every option as it is typed: 6+6 layers, d = 512 = 8^3, ffn 1024, batches of 4,096
# tokens, fp16 (a V100 has no bf16); SEE at 20x. For WMT17: --dropout 0.1 --max-update 100000. For another method:
# --see-method dense. configs/iwslt17_zh_en.yaml is the same, which scripts/train.sh and the tables use.
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
(($# >= 2)) || usage
data=$1 run=$2
use_environment
python -c 'import sys, torch; sys.exit("sm_70" not in torch.cuda.get_arch_list())' ||
    die "this torch has no code for a V100 (sm_70): TORCH_INDEX_URL=https://download.pytorch.org/whl/cu126 scripts/setup.sh"
mkdir -p -- "$run"
exec fairseq-train "$data" --user-dir "$root/fairseq_see" --save-dir "$run/checkpoints" \
    --task translation --source-lang zh --target-lang en \
    --arch see_transformer --share-decoder-input-output-embed --dropout 0.3 \
    --encoder-layers 6 --encoder-embed-dim 512 --encoder-ffn-embed-dim 1024 --encoder-attention-heads 4 \
    --decoder-layers 6 --decoder-embed-dim 512 --decoder-ffn-embed-dim 1024 --decoder-attention-heads 4 \
    --see-method see --see-ratio 20 --see-index "$data" \
    --criterion see_cross_entropy --label-smoothing 0.1 \
    --optimizer adam --adam-betas "(0.9, 0.98)" --weight-decay 0.0001 --clip-norm 1.0 \
    --lr 0.0005 --lr-scheduler inverse_sqrt --warmup-updates 4000 --max-update 60000 \
    --max-tokens 4096 --num-workers 2 --required-batch-size-multiple 8 --skip-invalid-size-inputs-valid-test \
    --update-epoch-batch-itr True --fp16 --seed 1 --no-epoch-checkpoints \
    --no-progress-bar --log-format json --log-interval 100 --log-file "$run/train.log" "${@:3}"
