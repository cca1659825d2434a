#!/usr/bin/env bash
# bash run.sh [--minutes M] [option of snakemake ...]
#
# Installs what this archive brings beside the torch and numpy of this machine, without network, and runs its target
# with experiments/Snakefile. With --minutes, trainings stop cleanly two minutes before; run again to resume. PYTHON
# names the Python (default python3). Everything is in work/, beside this script; results.tar.gz has the records and
# translations.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
python=$(command -v -- "${PYTHON:-python3}")
limit=() minutes=()
if [[ ${1:-} == --minutes ]]; then
    (($2 > 2)) || { echo "error: --minutes $2: two minutes are kept for scores" >&2 && exit 2; }
    limit=(timeout --signal=INT --kill-after=30 $(($2 * 60))) minutes=("minutes=$(($2 - 2))") && shift 2
fi
mapfile -t words <"$here/target" # the target, and its configuration
env=$here/work/env
mkdir -p -- "$here/work"
export PYTHONPATH=$here/source:$env/lib PATH=$env/lib/bin:$PATH
install() {
    "$python" -m pip --isolated -q install --no-index --no-deps --no-build-isolation --upgrade --target "$env/lib" "$@"
}
if [[ ! -e $env/complete ]]; then
    rm -rf -- "$env"
    install "$here"/wheels/*.whl
    # Compiled for this Python and numpy; nothing of it needs CUDA's compiler.
    (unset CUDA_HOME && install "$here"/fairseq/*.tar.gz)
    printf '#!/bin/sh\nexec "%s" -m fairseq_see.cli.main "$@"\n' "$python" >"$env/lib/bin/fairseq-see"
    chmod +x "$env/lib/bin/fairseq-see" && touch "$env/complete"
fi
status=0
"${limit[@]}" "$python" -m snakemake -s "$here/source/experiments/Snakefile" -d "$here/work" "$@" "${words[0]}" \
    --config "${minutes[@]}" prepared="$here/prepared" "${words[@]:1}" || status=$?
cd -- "$here/work"
find . -path ./env -prune -o -path '*/cells/*' \
    '(' -name '*.json' -o -name '*.hyp*' -o -name '*.ref*' -o -name train.log ')' -print |
    tar -czf "$here/results.tar.gz" -T -
exit "$status"
