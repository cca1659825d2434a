#!/usr/bin/env bash
# scripts/sweep.sh RUNS.yaml DIR [OUT] [--train-only] [--jobs N] [--gpus LIST] [key=value ...]
#
# Trains and scores every run of a list, such as configs/methods.yaml, on DIR (made by scripts/prepare.sh and index.sh):
# OUT/NAME for each (default: DIR/NAME), as scripts/train.sh and score.sh make it. What is finished is not done again. A
# run that fails does not stop the others; all that failed are named at the end, and the status is then not 0. The list
# is kept as OUT/LIST.runs.json, from which `python -m experiments report OUT --out DIR` knows what has not been run yet.
#
#   RUNS.yaml    a list under "runs": each run has a name, a config (a YAML of configs/) and, if it likes, overrides (key:
#                value) and a grid (key: [values], a run for each combination)
#   --train-only
#                translate and score nothing, so that no test set is looked at; called again without it, the script scores
#                what is trained
#   --jobs N     runs side by side (default: as many as there are processors, which may be more than a GPU has memory
#                for); with more than one, one thread each
#   --gpus LIST  such as 0,1,2: each run sees one of these GPUs, the one with the fewest runs (default of --jobs: one run
#                a GPU). Without it, a run is spread by fairseq over all GPUs that are visible
#   key=value    overrides every run, for example optimization.max_update=100
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

jobs='' score=yes gpus=() paths=() overrides=()
while (($#)); do
    case $1 in
    -h | --help) usage 0 ;;
    --train-only) score='' && shift ;;
    --jobs) (($# > 1)) || die "--jobs needs a value"
        jobs=$2 && shift 2 ;;
    --gpus) (($# > 1)) || die "--gpus needs a value"
        [[ $2 =~ ^[^,[:space:]]+(,[^,[:space:]]+)*$ ]] || die "--gpus $2: write the numbers with commas between, such as 0,1"
        IFS=, read -r -a gpus <<<"$2" && shift 2 ;;
    -*) die "unknown option $1 (--help tells the options)" ;;
    *=*) overrides+=("$1") && shift ;;
    *) paths+=("$1") && shift ;;
    esac
done
((${#paths[@]} == 2 || ${#paths[@]} == 3)) || usage
if [[ -z $jobs ]]; then
    jobs=${#gpus[@]}
    ((jobs)) || jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
fi
[[ $jobs =~ ^[1-9][0-9]*$ ]] || die "--jobs $jobs: not a whole number above 0"
runs=${paths[0]} dir=${paths[1]} out=${paths[2]:-${paths[1]}}
[[ -d $dir/data-bin ]] || die "no $dir/data-bin; scripts/prepare.sh makes it"
use_environment
mkdir -p -- "$out" 2>/dev/null || die "cannot make the folder $out"
if ((jobs > 1)); then export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}; fi

work=$(mktemp -d)
# A process group for each run, so that nothing is left running when this script is stopped.
trap 'mapfile -t left < <(jobs -rp); for group in "${left[@]}"; do kill -- "-$group" 2>/dev/null || true; done
rm -rf -- "$work"' EXIT
trap 'exit 130' INT TERM
list=${runs##*/}
python -m experiments.run_list "$runs" "$root/configs" "$out/${list%.yaml}.runs.json" >"$work/runs"

# one NAME CONFIG OVERRIDE...
one() {
    local name=$1 config=$2
    shift 2
    if ! { "$root/scripts/train.sh" "$config" "$dir/data-bin" "$out/$name" "$@" ${overrides[@]+"${overrides[@]}"} &&
        { [[ -z $score ]] || "$root/scripts/score.sh" "$out/$name" "$dir"; }; } 2>&1 | sed -u "s/^/[$name] /" >&2; then
        echo "$name" >>"$work/failed"
    fi
}

declare -A gpu_of=() # of the process that a run is
# choose_gpu: sets gpu to the one with the fewest runs
choose_gpu() {
    local -A busy=()
    local pid candidate
    gpu=${gpus[0]:-}
    for pid in $(jobs -rp); do
        [[ -z ${gpu_of[$pid]:-} ]] || busy[${gpu_of[$pid]}]=$((${busy[${gpu_of[$pid]}]:-0} + 1))
    done
    for candidate in ${gpus[@]+"${gpus[@]}"}; do
        ((${busy[$candidate]:-0} >= ${busy[$gpu]:-0})) || gpu=$candidate
    done
}

set -m
while IFS=$'\t' read -r -a run; do
    while (($(jobs -rp | wc -l) >= jobs)); do wait -n || true; done
    choose_gpu
    (
        [[ -z $gpu ]] || export CUDA_VISIBLE_DEVICES=$gpu
        one "${run[@]}"
    ) </dev/null &
    gpu_of[$!]=$gpu
done <"$work/runs"
wait
set +m
[[ ! -e $work/failed ]] || die "failed: $(paste -sd ' ' "$work/failed")"
say "all $(wc -l <"$work/runs") runs are in $out"
