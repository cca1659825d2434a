#!/usr/bin/env bash
# scripts/test.sh [options of pytest]
#
# Installs what the tests need, if it is not there, and runs them.
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

"$root/scripts/setup.sh" --dev
use_environment
cd -- "$root"
HF_HUB_OFFLINE=1 exec python -m pytest "$@"
