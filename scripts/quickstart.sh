#!/usr/bin/env bash
# scripts/quickstart.sh [FOLDER]
#
# From scratch to a table: installs, prepares the small corpus in data/, trains a dense model and one with SEE embeddings
# ten times smaller, scores both and compares them. All of it goes to FOLDER (runs/demo). Re-running resumes.
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
folder=${1:-$root/runs/demo}
"$root/scripts/setup.sh"
(workflow table2 scale=tiny corpus="$root/data" out="$folder" methods="dense see" ratios=10)
use_environment
python -m experiments report "$folder/cells"
