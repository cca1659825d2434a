#!/usr/bin/env bash
# scripts/quickstart.sh [FOLDER]
#
# From scratch to a table: installs, prepares the small corpus in data/, trains a dense model and one with SEE embeddings
# ten times smaller, compresses the dense one ten times, scores and compares all three. Everything goes to FOLDER
# (runs/demo). Re-running resumes.
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
folder=${1:-$root/runs/demo}
"$root/scripts/setup.sh"
(workflow table2 scale=tiny corpus="$root/data" out="$folder" methods="dense see" ratios=10)
use_environment
compressed=$folder/cells/compressed-10x-seed1
if [[ ! -e $compressed/run.json ]]; then
    fairseq-see compress "$folder/cells/dense-seed1/checkpoints/checkpoint_best.pt" --data "$folder/prepared/data-bin" \
        --output "$compressed" --ratio 10 --updates 300 --max-tokens 1024
    "$root/scripts/score.sh" "$compressed" "$folder/prepared"
fi
python -m experiments report "$folder/cells"
