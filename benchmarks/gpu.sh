#!/usr/bin/env bash
# bash benchmarks/gpu.sh OUT [--packages FOLDER] [option of benchmarks/gpu.py ...]
#
# Checks, figures beside dense, and two short trainings on a GPU (docs/gpu.md); OUT gets a JSON file of each part. The
# machine needs bash, Python with torch, numpy and a C++ compiler, and no network: FOLDER holds the other packages, made
# elsewhere by `python benchmarks/pack.py FOLDER`. PYTHON names the Python (default python3).
#
#   --data DATA-BIN    prepared corpus with unit indexes; without it nothing is trained
#   --budget SECONDS   that all may take (default 480); what does not fit is skipped
set -euo pipefail
unset PYTHONSAFEPATH # the benchmarks import one another, as scripts of a folder do
(($#)) || { sed -n '2,/^set/s/^# \?//p' "$0" >&2 && exit 2; }
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
python=$(command -v -- "${PYTHON:-python3}") || { echo "error: no ${PYTHON:-python3}; name one by PYTHON" >&2 && exit 2; }
out=$1 packages='' options=()
shift
while (($#)); do
    case $1 in
        --packages) packages=$(cd -- "$2" && pwd) && shift 2 ;;
        *) options+=("$1") && shift ;;
    esac
done
export PYTHONPATH=$root${packages:+:$packages}${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
# fairseq would spread trainings over all GPUs.
CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES-0}
export CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES%%,*}

# The one extension of fairseq that trainings need, compiled while the other parts run, which do not.
compile() {
    {
        read -r suffix && read -r headers && read -r arrays
    } < <("$python" -c 'import numpy, sysconfig
print(sysconfig.get_config_var("EXT_SUFFIX"), sysconfig.get_path("include"), numpy.get_include(), sep="\n")')
    [[ -f $1$suffix ]] || {
        g++ -O2 -w -shared -fPIC "-I$headers" "-I$arrays" "$1.cpp" -o "$1.new" && mv "$1.new" "$1$suffix"
    } || echo "fairseq's data_utils_fast cannot be compiled: nothing is trained" >&2
}
fast=$packages/fairseq/data/data_utils_fast
[[ ! -f $fast.cpp ]] || compile "$fast" &
exec "$python" "$root/benchmarks/gpu.py" "$out" ${options[@]+"${options[@]}"}
