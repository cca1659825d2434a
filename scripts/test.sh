#!/usr/bin/env bash
# scripts/test.sh [options of pytest]
#
# Installs what the tests need, if it is not there, and runs them.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

[[ ${1:-} != -h && ${1:-} != --help ]] || usage 0
"$root/scripts/setup.sh" --dev
use_environment
cd -- "$root"
HF_HUB_OFFLINE=1 exec python -m pytest "$@"
