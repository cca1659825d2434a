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
python=$(command -v -- "${PYTHON:-python3}")
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
export CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES-0}

# The one extension of fairseq that trainings need; without it, everything else is measured.
fast=$packages/fairseq/data/data_utils_fast
if [[ -f $fast.cpp ]]; then
    {
        read -r suffix && read -r headers && read -r arrays
    } < <("$python" -c 'import numpy, sysconfig
print(sysconfig.get_config_var("EXT_SUFFIX"), sysconfig.get_path("include"), numpy.get_include(), sep="\n")')
    [[ -f $fast$suffix ]] || g++ -O2 -w -shared -fPIC "-I$headers" "-I$arrays" "$fast.cpp" -o "$fast$suffix" ||
        echo "fairseq's data_utils_fast could not be compiled: nothing is trained" >&2
fi
exec "$python" "$root/benchmarks/gpu.py" "$out" "${options[@]}"
