#!/usr/bin/env bash
# scripts/compress_bert.sh --model bert-base-uncased --out DIR [--method svd autoencoder see] [--ratio 5 10]
#     [--task mlm sst2 mrpc squad] [--data FOLDER] [--lexicon TSV] [--seed N]
#     [--epochs N] [--batch-size N] [--lr RATE] [--length TOKENS]
#
# What compressing the token table does to a BERT-like model (Balazy et al. 2021): its masked-LM perplexity, with the
# table compressed in the input alone and in the tied output too, and scores on GLUE and SQuAD v1.1 after fine-tuning.
#
#   svd          truncated SVD
#   autoencoder  their autoencoder: a linear one, whose loss watches the direction of rows
#   see          SEE's vectors, fitted to the table; takes a --lexicon
#
#   DIR/METHOD-RATIOx/model      the compressed model; from_pretrained loads it after import fairseq_see.hf
#   DIR/METHOD-RATIOx/TASK.json  scores and settings; table.json, how near the rows are
#   DIR/dense                    the same of the model as it was
#
# The tasks are mlm, those of GLUE (cola sst2 mrpc stsb qqp mnli qnli rte wnli) and squad. Data come from the hub, or
# from --data FOLDER in the same formats (docs/llm.md). Without the last options, fine-tuning is as in transformers'
# examples. What is in DIR already is not done again; training that was interrupted goes on from its last epoch.
# Takes scripts/setup.sh --hf.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

out='' words=("$@")
while (($#)); do
    case $1 in
    -h | --help) usage 0 ;;
    --out) (($# > 1)) || die "--out needs a folder"
        out=$2 ;;
    esac
    shift
done
[[ -n $out ]] || usage
use_environment
claim "$out"
exec python -m experiments.llm.bert "${words[@]}"
