#!/usr/bin/env bash
# scripts/test.sh [--llm] [options of pytest]
#
# Installs what the tests need, if it is not there, and runs them.
#
#   --llm   those of fairseq_see.hf (tests/hf, tests/experiments/llm), which need transformers; without it, all others
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

llm=''
case ${1:-} in
-h | --help) usage 0 ;;
--llm)
    llm=yes
    shift
    ;;
esac
"$root/scripts/setup.sh" --dev ${llm:+--llm}
use_environment
cd -- "$root"
if [[ -n $llm ]]; then
    export HF_HUB_OFFLINE=1
    exec python -m pytest tests/hf tests/experiments/llm "$@"
fi
exec python -m pytest --ignore=tests/hf --ignore=tests/experiments/llm "$@"
