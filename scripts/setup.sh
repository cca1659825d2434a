#!/usr/bin/env bash
# scripts/setup.sh [--hf] [--polyglot] [--dev]
#
# Makes the Python environment .venv (or $FAIRSEQ_SEE_VENV) with fairseq and the packages of requirements/lock.txt, and
# installs fairseq_see into it in editable mode. Does nothing where all is in place.
#
#   --hf        adds transformers and what experiments/llm needs
#   --polyglot  adds polyglot (GPL), for fairseq-see index --morphology polyglot
#   --dev       adds what the tests need: all of these
#
#   PYTHON           the Python, 3.11 or later, that makes the environment; its PyTorch, if it has one, is reused
#   TORCH_INDEX_URL  the package index to take PyTorch from, to choose a CPU or a CUDA build
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
extras=units,translate,experiments
for argument in "$@"; do
    case $argument in
    --hf) extras+=,hf,llm ;;
    --polyglot) extras+=,polyglot ;;
    --dev) extras+=,hf,llm,polyglot,ctranslate2,docs,dev ;;
    *) usage ;;
    esac
done
# A line for each set of extras that is installed, all of one state of this checkout.
stamp=$venv/.see-setup
state="$root $(cat -- "$root"/requirements/*.txt "$root/pyproject.toml" | sha256sum)"
if grep -qsxF -- "$state $extras" "$stamp"; then say "environment $venv is complete" && exit 0; fi

python=${PYTHON:-python3}
has() { "$python" -c "import $1" >/dev/null 2>&1; }
if [[ ! -x $venv/bin/python ]]; then
    "$python" -c 'import sys, ensurepip; assert sys.version_info >= (3, 11)' 2>/dev/null ||
        die "$python is not Python 3.11 or later with venv: set PYTHON, or apt-get install python3-venv"
    "$python" -m venv $(! has torch || echo --system-site-packages) -- "$venv"
fi
python=$venv/bin/python
command -v c++ >/dev/null || die "fairseq has to be compiled: apt-get install build-essential python3-dev"
if [[ $extras == *polyglot* ]] && ! pkg-config --exists icu-i18n 2>/dev/null; then
    apt=($( ((EUID == 0)) || echo sudo -n) env DEBIAN_FRONTEND=noninteractive apt-get -qq)
    { "${apt[@]}" update && "${apt[@]}" -y install libicu-dev pkg-config; } >&2 ||
        die "polyglot has to be compiled: apt-get install libicu-dev pkg-config"
fi

pip=("$python" -m pip install -q --disable-pip-version-check --no-warn-conflicts --no-build-isolation
    -c "$root/requirements/lock.txt")
say "installing into $venv; fairseq is compiled (one to four minutes)"
"${pip[@]}" setuptools wheel cython numpy # what the others are built with
has torch || "${pip[@]}" ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} -r "$root/requirements/torch.txt"
# fairseq without torchaudio, which translation does not need, and without CUDA kernels. Light optimisation halves the
# time; the modules in Cython ask for -O3 themselves.
has fairseq || env -u CUDA_HOME CFLAGS="-O1 -g0 -fwrapv -DNDEBUG ${CFLAGS:-}" "${pip[@]}" --no-deps fairseq-fixed
"${pip[@]}" bitarray cffi hydra-core omegaconf regex tqdm -e "$root[$extras]"

known=$(grep -sF -- "$state" "$stamp" || true)
printf '%s\n' "$known" "$state $extras" >"$stamp"
