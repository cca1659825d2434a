#!/usr/bin/env bash
# scripts/quickstart.sh [FOLDER]
#
# From nothing to a table: installs, prepares the small corpus in data/, trains a dense model and one with SEE
# embeddings ten times smaller, scores both and compares them. All of it goes to FOLDER (runs/demo). Started again, it
# goes on where it stopped.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

[[ ${1:-} != -h && ${1:-} != --help ]] || usage 0
(($# <= 1)) || usage
folder=$(absolute "${1:-$root/runs/demo}")
size=4000
data=$root/data

part() { say "" && say "== $*"; }

part "environment"
"$root/scripts/setup.sh"
part "text"
"$root/scripts/prepare.sh" --train "$data/train" --dev "$data/dev" --test "test=$data/test" --out "$folder" --size "$size"
part "senses and morphemes"
"$root/scripts/index.sh" "$folder" --senses "$data/senses.tsv"
part "dense and SEE at 10x, side by side, and their scores"
# In the background, because a shell that waits for a command hears no signals.
"$root/scripts/sweep.sh" "$root/configs/quickstart.yaml" "$folder" &
sweep=$!
trap 'kill "$sweep" 2>/dev/null && wait "$sweep" || true' EXIT
trap 'exit 130' INT TERM
wait "$sweep"
trap - EXIT INT TERM
part "comparison"
use_environment
python -m experiments report "$folder/dense" "$folder/see10"
