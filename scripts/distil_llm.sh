#!/usr/bin/env bash
# scripts/distil_llm.sh --model NAME|FOLDER [--task arc | --data FILE] --output FOLDER [option of distil_llm ...]
#
# Compresses the token embeddings of a causal language model with SEE, lets the original teach the small one in the SEE
# paper's two stages, and measures both with lm-eval (docs/hugging-face.md). The paper's experiment is
#
#   scripts/distil_llm.sh --model microsoft/Phi-3-mini-4k-instruct --task arc --senses senses.tsv --output runs/phi3
#
# What is in FOLDER already is not done again. Takes scripts/setup.sh --hf; nothing is fetched with HF_HUB_OFFLINE=1.
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
(($#)) || usage
use_environment
# lm-eval and datasets would otherwise report what they load.
export HF_HUB_DISABLE_TELEMETRY=1 HF_UPDATE_DOWNLOAD_COUNTS=0 TOKENIZERS_PARALLELISM=false
exec python -m experiments distil_llm "$@"
