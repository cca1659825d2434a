#!/usr/bin/env bash
# scripts/test.sh [options of pytest]
#
# Installs what the tests need, if it is not there, and runs them.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

"$root/scripts/setup.sh" --dev
use_environment
cd -- "$root"
exec python -m pytest "$@"
