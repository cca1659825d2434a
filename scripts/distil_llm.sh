#!/usr/bin/env bash
# scripts/distil_llm.sh --model NAME|FOLDER [--task arc | --data FILE] --output FOLDER [options]
#
# Compresses the token embeddings of a causal language model of Hugging Face with SEE, lets the original teach the small
# one in the SEE paper's two stages, and measures both with lm-eval. The paper's experiment is
#
#   scripts/distil_llm.sh --model microsoft/Phi-3-mini-4k-instruct --task arc --senses senses.tsv --output runs/phi3
#
# with rank 5, order 3, 5x, Adam at 4e-5, batches of 32, two epochs of the start stage: all of them defaults. --data FILE
# learns from any text, or a .jsonl of text, of prompts with completions, or of questions as ARC has them. The options are
# those of python -m experiments distil_llm, which --help there and docs/llm.md tell.
#
# FOLDER/results.json has all measures, FOLDER/distilled the model. What is there already is not done again; an interrupted
# training goes on from its last epoch. Needs scripts/setup.sh --hf. Nothing is fetched with HF_HUB_OFFLINE=1; the model
# and ARC must then be in the cache of Hugging Face (HF_HOME).
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

output='' options=()
while (($#)); do
    case $1 in
    -h | --help) usage 0 ;;
    --output | --out | -o) (($# > 1)) || die "$1 needs a value"
        output=$2 && shift 2 ;;
    --output=* | --out=*) output=${1#*=} && shift ;;
    *) options+=("$1") && shift ;;
    esac
done
[[ -n $output ]] || usage
use_environment
claim "$output"
# lm-eval and datasets would otherwise tell a server what they load.
export HF_HUB_DISABLE_TELEMETRY=1 HF_UPDATE_DOWNLOAD_COUNTS=0 TOKENIZERS_PARALLELISM=false
exec python -m experiments distil_llm --output "$output" ${options[@]+"${options[@]}"}
