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
config=demo_zh_en
data=$root/data

part() { say "" && say "== $*"; }

part "environment"
"$root/scripts/setup.sh"
part "text"
"$root/scripts/prepare.sh" --train "$data/train" --dev "$data/dev" --test "test=$data/test" --out "$folder" --size "$size"
part "senses and morphemes"
"$root/scripts/index.sh" "$folder" --hownet "$data/senses.tsv"
part "dense and SEE at 10x, side by side"
# One thread each: models this small gain little from a second one.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
train() {
    local run=$1
    shift
    "$root/scripts/train.sh" "$config" "$folder/data-bin" "$folder/$run" "$@" 2>&1 | sed -u "s/^/[$run] /" >&2
}
# A process group each, so that nothing is left running when this script is stopped.
set -m
train dense model.see_method=dense &
dense=$!
train see10 model.see_method=see model.see_ratio=10 model.see_layernorm=true &
see=$!
set +m
trap 'kill -- "-$dense" "-$see" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
wait "$dense"
wait "$see"
trap - EXIT INT TERM
part "scores"
for run in dense see10; do "$root/scripts/score.sh" "$folder/$run" "$folder"; done
part "comparison"
use_environment
fairseq-see report "$folder/dense" "$folder/see10"
