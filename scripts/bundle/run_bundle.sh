#!/usr/bin/env bash
# bash run_bundle.sh [--minutes M] [--parallel N] [--only NAME]... [--check] [--cpu] [--checkpoints]
#                    [--score-minutes S] [--work DIR] [--out FILE]
#
# Installs what this archive brings beside the torch of this machine, checks everything, does the runs and packs their
# results. Needs no network. Started again with the same --work, it goes on where it stopped.
#
#   --minutes M        end within M minutes, installation included; what is not done then can be gone on with
#   --score-minutes S  of these, minutes kept at the end for validation, translation and scores (default 2)
#   --parallel N       runs at once (default 1), in the order of the list
#   --only NAME        only this run; may be repeated
#   --check            stop after the checks: device, plugin, one update of each run
#   --cpu              train on the processor
#   --checkpoints      put the best checkpoint of each run, without the optimizer's state, into the results
#   --work DIR         where everything is installed and done (default: work, beside this script)
#   --out FILE         the packed results (default: results.tar.gz, beside this script)
#
#   PYTHON                the python3 that has torch
#   CUDA_VISIBLE_DEVICES  the GPU to use (default: 0, the first)
set -euo pipefail
start=$EPOCHSECONDS
unset CDPATH # with it, cd prints where it went
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
source "$here/source/scripts/common.sh"

work=$here/work out=$here/results.tar.gz minutes='' score=2 parallel=1 only=() flags=() cpu=()
while (($#)); do
    case $1 in
    --minutes | --score-minutes | --parallel | --only | --work | --out) (($# > 1)) || die "$1 needs a value" ;;&
    --minutes) minutes=$2 && shift 2 ;;
    --score-minutes) score=$2 && shift 2 ;;
    --parallel) parallel=$2 && shift 2 ;;
    --only) only+=("$2") && shift 2 ;;
    --work) work=$(absolute "$2") && shift 2 ;;
    --out) out=$(absolute "$2") && shift 2 ;;
    --cpu) cpu=(--cpu) && shift ;;
    --check | --checkpoints) flags+=("$1") && shift ;;
    -h | --help) usage 0 ;;
    *) die "unknown option $1 (--help tells the options)" ;;
    esac
done
[[ $parallel =~ ^[1-9][0-9]*$ ]] || die "--parallel $parallel: not a whole number above 0"
for option in minutes score; do
    [[ $option == minutes && -z $minutes || ${!option} =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "--$option ${!option}: not a number"
done
[[ $here$work != *:* ]] || die "neither $here nor $work may have a colon: Python's path cannot hold it"

python=$(command -v -- "${PYTHON:-python3}") || die "no ${PYTHON:-python3}; set PYTHON to the Python that has torch"
wanted=$(sed -n 's/^python //p' "$here/bundle.txt")
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[[ $version == "$wanted" ]] ||
    die "$python is Python $version and the archive is for $wanted; set PYTHON, or pack it with --python $version"
"$python" -c 'import torch, numpy' 2>/dev/null || die "$python cannot import torch and numpy; set PYTHON to one that can"
"$python" -m pip --version >/dev/null 2>&1 || die "$python has no pip"

env=$work/env
mkdir -p -- "$env/bin" "$(dirname -- "$out")" || die "cannot make the folders $env and that of $out"
only_one "$work/.lock" "run_bundle.sh in $work"
export FAIRSEQ_SEE_VENV=$env # for the scripts that are started from here
venv=$env

# A folder before the machine's own packages, and not an environment of the venv module: one made from another
# environment would not see that one's torch.
{
    echo '#!/bin/sh'
    printf 'export PYTHONPATH=%s${PYTHONPATH:+:$PYTHONPATH}\n' "$(quoted_for_sh "$here/source:$env/fairseq:$env/lib")"
    printf 'exec %s "$@"\n' "$(quoted_for_sh "$python")"
} >"$env/bin/python.tmp"
printf '#!/bin/sh\nexec %s -m fairseq_see.cli.main "$@"\n' "$(quoted_for_sh "$env/bin/python")" \
    >"$env/bin/fairseq-see.tmp"
for name in python fairseq-see; do
    chmod +x "$env/bin/$name.tmp"
    mv -- "$env/bin/$name.tmp" "$env/bin/$name"
done
own=$env/bin/python
has() { "$own" -c "import $1" >/dev/null 2>&1; }
# install FOLDER FILE...: into a folder that only ever appears whole; whatever this machine's pip is configured to, no network
install() {
    local folder=$1
    shift
    rm -rf -- "$folder.tmp"
    PIP_CONFIG_FILE=/dev/null "$own" -m pip --isolated --disable-pip-version-check --no-input -q install --no-index \
        --no-deps --no-build-isolation --root-user-action=ignore --target "$folder.tmp" "$@" >"$work/install.log" 2>&1 || {
        tail -n 15 -- "$work/install.log" >&2
        die "pip failed; all it said is in $work/install.log"
    }
    mv -- "$folder.tmp" "$folder"
}

say "[1/4] packages"
if [[ ! -d $env/lib ]]; then
    # To compile with, what fits the machine's torch: its own tools where it has them.
    wheels=()
    for wheel in "$here"/wheels/*.whl; do
        name=${wheel##*/}
        case ${name%%-*} in
        setuptools | wheel) module=${name%%-*} ;;
        cython) module=Cython ;;
        *) module='' ;;
        esac
        [[ -n $module ]] && "$python" -c "import $module" 2>/dev/null || wheels+=("$wheel")
    done
    install "$env/lib" "${wheels[@]}"
fi

say "[2/4] fairseq"
modules='fairseq, fairseq.data.data_utils_fast, fairseq.data.token_block_utils_fast, fairseq_cli.generate'
if ! has "$modules"; then
    command -v c++ >/dev/null || die "fairseq has to be compiled, and there is no c++"
    header=$("$own" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
    [[ -e $header ]] || die "fairseq has to be compiled, and there is no $header"
    say "      compiling (less than a minute)"
    rm -rf -- "$env/fairseq"
    install "$env/fairseq" "$here"/fairseq/*.tar.gz
    has "$modules" || die "fairseq was compiled but does not import; see: $own -c 'import $modules'"
fi

say "[3/4] checks"
use_environment
# fairseq would train each run on all GPUs it sees, with batches as many times as large.
export CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES-0}
[[ ${#cpu[@]} -eq 0 ]] || export CUDA_VISIBLE_DEVICES=
"$own" -m experiments.offline.machine device ${cpu[@]+"${cpu[@]}"} --json "$work/machine.json" 2>"$work/device.log" || {
    tail -n 3 -- "$work/device.log" >&2
    exit 2
}

say "[4/4] runs, after $((EPOCHSECONDS - start)) s"
exec "$own" -m experiments.offline.work --bundle "$here" --work "$work" --out "$out" --parallel "$parallel" \
    --start "$start" ${minutes:+--minutes "$minutes"} --score-minutes "$score" \
    ${flags[@]+"${flags[@]}"} ${cpu[@]+"${cpu[@]}"} ${only[@]+--only "${only[@]}"}
