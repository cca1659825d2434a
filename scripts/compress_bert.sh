#!/usr/bin/env bash
# scripts/compress_bert.sh --model bert-base-uncased --out DIR [option of python -m experiments.llm.bert ...]
#
# What compressing the embedding matrix does to a BERT-like model (Balazy et al. 2021): masked-LM perplexity, GLUE and
# SQuAD; docs/hugging-face.md. What is in DIR already is not done again. Takes scripts/setup.sh --hf.
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
(($#)) || usage
use_environment
exec python -m experiments.llm.bert "$@"
