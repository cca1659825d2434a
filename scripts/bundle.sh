#!/usr/bin/env bash
# scripts/bundle.sh --python 3.12 --platform manylinux_2_28_x86_64 --data DIR --runs RUNS.yaml OUT.tar.gz
#
# Packs one archive that trains on a machine without network: the source, wheels of everything but torch and numpy,
# fairseq's source (compiled there), prepared data and the list of runs. docs/offline.md tells the whole way.
#
#   --python VERSION    Python of that machine, such as 3.12
#   --platform TAG      newest platform tag it takes (default manylinux_2_28_x86_64)
#   --data DIR          what scripts/prepare.sh made (DIR or DIR/data-bin), with unit indexes of scripts/index.sh
#   --runs RUNS.yaml    the runs; configs/bundle_demo.yaml shows how to write them
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

# What training, translation and scores need beside torch and numpy, in the versions of requirements/lock.txt.
packages=(setuptools wheel cython hydra-core omegaconf pyyaml bitarray cffi pycparser regex packaging
    sacrebleu portalocker tabulate colorama lxml sacremoses joblib cloudpickle click tqdm
    safetensors rich markdown-it-py mdurl pygments)
# Plain Python that is published as source only: its wheel is made here.
source_packages=(antlr4-python3-runtime)

version='' platform=manylinux_2_28_x86_64 data='' runs='' output=''
while (($#)); do
    case $1 in
    --python | --platform | --data | --runs) (($# > 1)) || die "$1 needs a value" ;;&
    --python) version=$2 && shift 2 ;;
    --platform) platform=$2 && shift 2 ;;
    --data) data=$2 && shift 2 ;;
    --runs) runs=$2 && shift 2 ;;
    -h | --help) usage 0 ;;
    -*) die "unknown option $1 (--help tells the options)" ;;
    *) [[ -z $output ]] || die "one archive at a time: $output or $1"
        output=$1 && shift ;;
    esac
done
[[ -n $version ]] || die "--python is missing (--help tells the options)"
[[ $version =~ ^3\.[0-9]+$ ]] || die "--python $version: write it like 3.12"
[[ -n $data ]] || die "--data is missing (--help tells the options)"
[[ -n $runs ]] || die "--runs is missing (--help tells the options)"
[[ -n $output ]] || die "OUT.tar.gz is missing (--help tells the options)"
[[ -r $runs ]] || die "cannot read $runs"
[[ ! -e $data/dict.zh.txt ]] || data=$data/..
[[ -d $data/data-bin && -e $data/tests.txt ]] || die "no data-bin and tests.txt in $data; scripts/prepare.sh makes them"
use_environment
runs=$(absolute "$runs") output=$(absolute "$output")
mkdir -p -- "$(dirname -- "$output")" || die "cannot make the folder of $output"
work=$(mktemp -d -- "$output.XXXXXX") || die "cannot write beside $output"
trap 'rm -rf -- "$work"' EXIT
stage=$work/stage
mkdir -p -- "$stage/source" "$stage/wheels" "$stage/fairseq" "$stage/data/raw" "$stage/data/tok"

pinned() {
    local name
    for name in "$@"; do
        grep -i "^$name==" "$root/requirements/lock.txt" || die "requirements/lock.txt has no version of $name"
    done
}

# The tag and those of older systems that its machines take too: pip compares tags only letter by letter.
platforms() {
    local minor
    if [[ $1 =~ ^manylinux_2_([0-9]+)_(.+)$ ]]; then
        for ((minor = BASH_REMATCH[1]; minor >= 5; minor--)); do
            echo "manylinux_2_${minor}_${BASH_REMATCH[2]}"
            case $minor in
            17) echo "manylinux2014_${BASH_REMATCH[2]}" ;;
            12) echo "manylinux2010_${BASH_REMATCH[2]}" ;;
            5) echo "manylinux1_${BASH_REMATCH[2]}" ;;
            esac
        done
    else
        echo "$1"
    fi
}
pip_() { python -m pip --disable-pip-version-check --no-input -q "$@"; }

say "[1/5] runs"
python -m experiments.run_list "$runs" "$root/configs" "$stage/runs.json" | cut -f 1 | sed 's/^/      /' >&2

say "[2/5] wheels for Python $version, $platform"
pinned "${packages[@]}" >"$work/packages.txt"
pinned "${source_packages[@]}" >"$work/source_packages.txt"
mapfile -t tags < <(platforms "$platform")
pip_ download --no-deps --only-binary=:all: --implementation cp --python-version "$version" "${tags[@]/#/--platform=}" \
    -d "$stage/wheels" -r "$work/packages.txt" || die "no wheels for Python $version on $platform; see above"
pip_ wheel --no-deps --no-build-isolation -w "$stage/wheels" -r "$work/source_packages.txt" ||
    die "cannot build the wheels of ${source_packages[*]}; see above"
for wheel in "$stage"/wheels/antlr4*.whl; do
    [[ $wheel == *-none-any.whl ]] || die "$(basename -- "$wheel") fits only this machine; it cannot be packed"
done

say "[3/5] fairseq's source"
pip_ download --no-deps --no-build-isolation --no-binary=:all: -d "$work/fairseq" "$(pinned fairseq-fixed)" ||
    die "cannot download fairseq's source; see above"
sdist=$(compgen -G "$work/fairseq/*.tar.gz") || die "fairseq's source is no .tar.gz; see $(pinned fairseq-fixed)"
python -m experiments.offline.fairseq_source "$sdist" "$stage/fairseq/$(basename -- "$sdist")"

say "[4/5] data and source"
cp -rL -- "$data/data-bin" "$stage/data/data-bin"
# Folders of further indexes as well: HowNet's senses are not ours to pass on.
find "$stage/data/data-bin" -type f \( -name '*.log' -o -name '*.settings' -o -name 'openhownet-*.tsv' \) -delete
some "$stage"/data/data-bin/dict.*.see ||
    say "      no unit index in data-bin: only runs that need none will do (scripts/index.sh makes it)"
cp -- "$data/tests.txt" "$stage/data/"
while IFS=$'\t' read -r _ name; do
    for kind in raw tok; do cp -- "$data/$kind/$name.en" "$stage/data/$kind/"; done
done <"$data/tests.txt"
tar -C "$root" --exclude=__pycache__ -cf - LICENSE configs experiments fairseq_see scripts | tar -C "$stage/source" -xf -
python -c 'from experiments.report.provenance import commit; print(commit())' >"$stage/source/COMMIT"
mv -- "$stage/source/scripts/bundle/run_bundle.sh" "$stage/run_bundle.sh"
printf 'python %s\nplatform %s\n' "$version" "$platform" >"$stage/bundle.txt"

say "[5/5] packing"
tar -C "$stage" --sort=name --owner=0 --group=0 --numeric-owner --mtime='2000-01-01 00:00Z' -cf - . |
    gzip -9n >"$work/archive"
chmod "$(printf '%o' $((0666 & ~$(umask))))" "$work/archive"
mv -- "$work/archive" "$output"
say "$output: $(awk -v size="$(stat -c %s -- "$output")" 'BEGIN { printf "%.1f MB", size / 1e6 }'), unpacked:"
for part in wheels fairseq data source; do
    printf '      %-8s %6d KB\n' "$part" "$(du -sk -- "$stage/$part" | cut -f1)" >&2
done
