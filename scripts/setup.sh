#!/usr/bin/env bash
# scripts/setup.sh [--dev] [--polyglot] [--llm]
#
# Makes the Python environment .venv (or $FAIRSEQ_SEE_VENV) with fairseq and everything else in pinned versions, and
# installs fairseq_see into it in editable mode. May be stopped and started again; does nothing where all is in place.
#
#   --polyglot  adds polyglot (GPL), for fairseq-see index --morphology polyglot. The Debian packages it is compiled with
#               are installed if they are missing and this user is root or may use sudo without a password.
#   --llm       adds transformers, accelerate, datasets and lm-eval, for fairseq_see.hf (docs/llm.md)
#   --dev       adds what the tests need, polyglot included
#
#   PYTHON           the python3 (3.11 or later) that makes the environment; a torch that it can import is used
#   TORCH_INDEX_URL  the package index to take torch from, to choose a CPU or a CUDA build
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

dev='' polyglot='' llm=''
for argument in "$@"; do
    case $argument in
    --dev) dev=yes polyglot=yes ;;
    --polyglot) polyglot=yes ;;
    --llm) llm=yes ;;
    -h | --help) usage 0 ;;
    *) usage ;;
    esac
done

base_file=$root/requirements/base.txt
dev_file=$root/requirements/dev.txt
polyglot_file=$root/requirements/polyglot.txt
llm_file=$root/requirements/llm.txt
base_hash=$(checksum "$base_file")
dev_hash=$(checksum "$base_file" "$dev_file")
polyglot_hash=$(checksum "$base_file" "$polyglot_file")
llm_hash=$(checksum "$base_file" "$llm_file")
package_hash="$root $(checksum "$root/setup.py")"

# stamped NAME VALUE: whether the environment has this part already; stamp NAME VALUE: now it has
stamped() { [[ -x $venv/bin/fairseq-see || $1 != package ]] && [[ $(cat -- "$venv/.see-$1" 2>/dev/null) == "$2" ]]; }
stamp() { printf '%s\n' "$2" >"$venv/.see-$1"; }
has() { "$venv/bin/python" -c "import $1" >/dev/null 2>&1; }
# polyglot's part is linked to the system's ICU, which an upgrade of the system may take away.
has_polyglot() { stamped polyglot "$polyglot_hash" && has polyglot.text; }
complete() {
    stamped base "$base_hash" && stamped package "$package_hash" && { [[ -z $dev ]] || stamped dev "$dev_hash"; } &&
        { [[ -z $polyglot ]] || has_polyglot; } && { [[ -z $llm ]] || stamped llm "$llm_hash"; }
}

mkdir -p -- "$venv" || die "cannot make the folder $venv"
if command -v flock >/dev/null; then
    exec 9>"$venv/.see-lock"
    flock -n 9 || { say "another setup.sh is at work on $venv; waiting for it"; flock 9; }
fi

if complete; then
    say "environment $venv is complete"
    exit 0
fi

python=${PYTHON:-python3}
command -v "$python" >/dev/null || die "no $python; apt-get install python3 python3-venv python3-dev build-essential"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$("$python" --version) is too old for the pinned versions: set PYTHON to a Python 3.11 or later"

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$python cannot make environments; apt-get install python3-venv"
    say "making the environment $venv"
    site=()
    if "$python" -c 'import torch' >/dev/null 2>&1; then
        site=(--system-site-packages)
    fi
    "$python" -m venv ${site[@]+"${site[@]}"} "$venv"
fi
python=$venv/bin/python
pip_install() { "$python" -m pip install --disable-pip-version-check --no-input "$@"; }
# pinned NAME...: their lines of base.txt
pinned() {
    local name
    for name in "$@"; do grep "^$name==" "$base_file"; done
}

# The Debian packages that compiling needs and this machine lacks, a line each.
lacking_compiler() {
    command -v c++ >/dev/null && command -v cc >/dev/null || echo build-essential
    [[ -e $("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h ]] || echo python3-dev
}
lacking_icu() {
    command -v pkg-config >/dev/null || echo pkg-config
    pkg-config --exists icu-i18n 2>/dev/null || echo libicu-dev
}
# apt_install PACKAGE...: without asking anything; 1 if that cannot be done
apt_install() {
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends)
    if ((EUID)); then apt=(sudo -n "${apt[@]}"); fi
    command -v apt-get >/dev/null || return 1
    say "      Debian packages: $*"
    "${apt[@]}" install "$@" || { "${apt[@]}" update && "${apt[@]}" install "$@"; }
}

# A pip that was killed may leave a package's metadata without the list of its files, and then refuses to go on.
site_packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
for folder in "$site_packages"/*.dist-info; do
    [[ ! -d $folder || -e $folder/RECORD ]] || rm -rf -- "$folder"
done

if ! stamped base "$base_hash"; then
    need_build=
    has 'fairseq, fairseq.data.data_utils_fast, fairseq_cli.generate' || need_build=yes
    if [[ -n $need_build ]]; then
        mapfile -t missing < <(lacking_compiler)
        ((${#missing[@]} == 0)) || die "fairseq has to be compiled; apt-get install ${missing[*]}"
    fi

    say "[1/4] packages"
    mapfile -t first < <(pinned setuptools wheel)
    pip_install "${first[@]}"
    # Some of them are plain Python in source form only: the setuptools just installed packs them.
    pip_install --no-build-isolation -r <(grep -v -e '^torch==' -e '^fairseq-fixed==' "$base_file")

    if has torch; then
        say "[2/4] torch: $("$python" -c 'import torch; print(torch.__version__)') is there already"
    else
        say "[2/4] torch (a large download)"
        pip_install ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} "$(pinned torch)"
    fi

    if [[ -z $need_build ]] || has 'fairseq, fairseq.data.data_utils_fast, fairseq_cli.generate'; then
        say "[3/4] fairseq: $("$python" -c 'import fairseq; print(fairseq.__version__)' 2>/dev/null) is there already"
    else
        say "[3/4] fairseq, which is compiled (one to four minutes)"
        # No isolation: it would download a second torch. No dependencies: they are in base.txt, and torchaudio, which
        # translation does not need, is left out. Light optimisation halves the time; what counts for speed, the two
        # modules written in Cython, asks for -O3 itself. CUDA kernels are not needed either.
        env -u CUDA_HOME CFLAGS="-O1 -g0 -fwrapv -DNDEBUG ${CFLAGS:-}" "$python" -m pip install \
            --disable-pip-version-check --no-input --no-deps --no-build-isolation "$(pinned fairseq-fixed)"
        has 'fairseq, fairseq.data.data_utils_fast, fairseq_cli.generate' ||
            die "fairseq was built but does not import; see: $python -c 'import fairseq_cli.generate'"
    fi
    stamp base "$base_hash"
fi

if [[ -n $polyglot ]] && ! has_polyglot; then
    say "      polyglot, a part of which is compiled (one to three minutes)"
    mapfile -t missing < <(lacking_compiler; lacking_icu)
    ((${#missing[@]} == 0)) || apt_install "${missing[@]}" >&2 ||
        die "polyglot has to be compiled; apt-get install ${missing[*]}"
    pip_install --no-build-isolation -r "$polyglot_file"
    # pip may have taken a PyICU from its cache, or left one in place, that is linked to another ICU than there is now.
    has polyglot.text ||
        pip_install --no-build-isolation --no-deps --force-reinstall --no-cache-dir -r "$polyglot_file"
    has polyglot.text || die "polyglot was installed but does not import; see: $python -c 'import polyglot.text'"
    stamp polyglot "$polyglot_hash"
fi

if [[ -n $dev ]] && ! stamped dev "$dev_hash"; then
    say "      packages for tests"
    pip_install -r "$dev_file"
    stamp dev "$dev_hash"
fi

if [[ -n $llm ]] && ! stamped llm "$llm_hash"; then
    say "      packages for language models of Hugging Face"
    pip_install --no-build-isolation -r "$llm_file"
    stamp llm "$llm_hash"
fi

if ! stamped package "$package_hash"; then
    say "[4/4] fairseq_see itself, from $root"
    pip_install -q --no-deps --no-build-isolation -e "$root"
    stamp package "$package_hash"
fi
say "environment $venv is complete"
