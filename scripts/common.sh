# Sourced by the other scripts: where the checkout and its environment are.
set -euo pipefail
unset CDPATH # with it, cd prints where it went
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
venv=${FAIRSEQ_SEE_VENV:-$root/.venv}

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*" && exit 2; }

# The comment at the top of the calling script is its help; asked for (usage 0), it is what the script has to print.
usage() {
    local status=${1:-2}
    ((status == 0)) || exec >&2
    awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
    exit "$status"
}
[[ ${1:-} != -h && ${1:-} != --help ]] || usage 0

# The environment of FAIRSEQ_SEE_VENV or .venv where there is one; otherwise what is on PATH. The code is this checkout's.
use_environment() {
    if [[ -x $venv/bin/python ]]; then
        PATH=$(cd -- "$venv/bin" && pwd):$PATH
    elif [[ -n ${FAIRSEQ_SEE_VENV:-} ]]; then
        die "no environment in $venv (FAIRSEQ_SEE_VENV); run scripts/setup.sh"
    fi
    [[ -d ${SEE_USER_DIR:-.} ]] || die "no folder $SEE_USER_DIR (SEE_USER_DIR)"
    command -v fairseq-see >/dev/null || die "fairseq-see is not installed; run scripts/setup.sh"
    # PYTHONSAFEPATH: nobody's json.py in the current folder is ours.
    export PATH PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" PYTHONSAFEPATH=1 PYTHONUTF8=1 PYTHONIOENCODING=utf-8
    # Threads that wait actively slow each other down; memory that glibc keeps makes updates on a CPU 1.6 times as fast
    # (docs/results/speed.md).
    export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE} MALLOC_MMAP_MAX_=${MALLOC_MMAP_MAX_-0}
    export MALLOC_TOP_PAD_=${MALLOC_TOP_PAD_-268435456} MALLOC_TRIM_THRESHOLD_=${MALLOC_TRIM_THRESHOLD_-100000000000}
}

# take_gpu: one of the GPUs of SEE_GPUS (such as 0,1,2), as soon as one is free, until this script ends
take_gpu() {
    local gpu
    while [[ -n ${SEE_GPUS:-} ]]; do
        for gpu in ${SEE_GPUS//,/ }; do
            exec 8>"${TMPDIR:-/tmp}/fairseq_see-$UID-gpu$gpu"
            if flock -n 8; then export CUDA_VISIBLE_DEVICES=$gpu && return; fi
        done
        sleep 2
    done
}

# workflow TARGET [NAME=VALUE ...]: the rules of experiments/Snakefile; every command that runs is printed
workflow() {
    local target=$1
    shift
    use_environment
    read -r -a options <<<"${SNAKEMAKE:-}"
    exec snakemake --snakefile "$root/experiments/Snakefile" "$target" "${options[@]}" ${1:+--config "$@"}
}
