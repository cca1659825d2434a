#!/usr/bin/env bash
# scripts/train.sh CONFIG DATA-BIN RUN [key=value ...]
#
# Trains a model with fairseq-hydra-train and the plugin. CONFIG is a name in configs/ or a YAML; key=value overrides it,
# +key=value adds to it: model.see_method=see model.see_ratio=10 task.source_lang=en task.target_lang=zh
#
#   RUN/training.yaml   every option that fairseq gets        RUN/checkpoints  the model
#   RUN/train.log     losses, one JSON object a line        RUN/fairseq.log  everything that fairseq prints
#   RUN/run.json      what was trained, on what, how far
#
# Re-running resumes from the last checkpoint. SEE_DEADLINE (seconds since 1970) stops a training cleanly before.
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
(($# >= 3)) || usage
config=$1 data=$2 run=$3
shift 3
use_environment
mkdir -p -- "$run"
exec 9>"$run/.lock"
flock 9 # a second training of the same folder waits, then finds that nothing is left

take_gpu
status=0
python -m experiments.training "$config" "$data" "$run" "$@" || status=$?
((status != 3)) || exit 0
((status == 0)) || exit "$status"
run=$(cd -- "$run" && pwd)
python -m experiments progress --follow "$run" 9>&- &
follower=$!
fairseq-hydra-train --config-dir "$run" --config-name training >>"$run/fairseq.log" 2>&1 &
trainer=$!
trap 'kill "$trainer" "$follower" 2>/dev/null; exit 130' HUP INT TERM
wait "$trainer" || status=$?
kill "$follower" 2>/dev/null
python -m experiments.recording end "$run" "$status"
