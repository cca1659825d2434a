#!/usr/bin/env bash
# scripts/slurm_array.sh RUNS.yaml DIR OUT [key=value ...] [-- OPTION OF SBATCH ...]
#
# Trains and scores the runs of a list (scripts/reproduce.sh --prepare writes one) as a Slurm array, a task each, with one
# GPU. Only those that are not finished in OUT are submitted; a task that is cut off goes on when it is submitted again.
#
#   DIR, OUT     as for scripts/sweep.sh; folders that the nodes see
#   key=value    overrides every run
#   -- ...       to sbatch, for example -- --partition gpu --time 24:00:00 --gres=gpu:v100:1 (default: --gres=gpu:1)
#
# Each task's output is in OUT-slurm/.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

paths=() overrides=() options=()
while (($#)); do
    case $1 in
    -h | --help) usage 0 ;;
    --) shift && options=("$@") && break ;;
    -*) die "unknown option $1 (--help tells the options; those of sbatch stand behind --)" ;;
    *=*) overrides+=("$1") && shift ;;
    *) paths+=("$1") && shift ;;
    esac
done
((${#paths[@]} == 3)) || usage
runs=$(absolute "${paths[0]}") dir=$(absolute "${paths[1]}") out=$(absolute "${paths[2]}")
[[ -d $dir/data-bin ]] || die "no $dir/data-bin; scripts/prepare.sh makes it"
use_environment
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
python -m experiments.run_list "$runs" "$root/configs" "$work/runs.json" >"$work/runs"

if [[ -n ${SLURM_ARRAY_TASK_ID:-} ]]; then
    IFS=$'\t' read -r -a run < <(sed -n "${SLURM_ARRAY_TASK_ID}p" "$work/runs") ||
        die "$runs has no run $SLURM_ARRAY_TASK_ID; it has changed since the array was submitted"
    "$root/scripts/train.sh" "${run[1]}" "$dir/data-bin" "$out/${run[0]}" "${run[@]:2}" ${overrides[@]+"${overrides[@]}"}
    "$root/scripts/score.sh" "$out/${run[0]}" "$dir"
    exit 0
fi

command -v sbatch >/dev/null || die "no sbatch; submit where Slurm is"
[[ -r $dir/tests.txt ]] || die "no $dir/tests.txt; scripts/prepare.sh makes it"
# finished RUN: trained, and scored on every test set
finished() {
    local test
    [[ -e $1/done ]] || return
    while IFS=$'\t' read -r _ test; do [[ -e $1/$test.scores.json ]] || return; done <"$dir/tests.txt"
}
number=0 missing=()
while IFS=$'\t' read -r name _; do
    number=$((number + 1))
    finished "$out/$name" || missing+=("$number")
done <"$work/runs"
if ((${#missing[@]} == 0)); then
    say "all $number runs are in $out"
    exit 0
fi
logs=$out-slurm
mkdir -p -- "$out" "$logs" || die "cannot make the folders $out and $logs"
# As scripts/sweep.sh leaves it, for the report.
name=${runs##*/}
cp -- "$work/runs.json" "$out/${name%.yaml}.runs.json"
# A copy of its own, because the numbers of the array are its lines; and wrapped, because sbatch moves a script elsewhere.
list=$logs/runs-$(checksum "$runs").yaml
cp -- "$runs" "$list"
command=$(for word in "$root/scripts/slurm_array.sh" "$list" "$dir" "$out" ${overrides[@]+"${overrides[@]}"}; do
    quoted_for_sh "$word" && echo -n " "
done)
sbatch --array="$(IFS=, && echo "${missing[*]}")" --job-name=fairseq_see --output="$logs/%A_%a.log" \
    --gres=gpu:1 ${options[@]+"${options[@]}"} --wrap="$command"
