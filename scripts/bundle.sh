#!/usr/bin/env bash
# scripts/bundle.sh OUT.tar.gz --python 3.12 [--platform TAG] --prepared DIR TARGET [name=value ...]
#
# Packs one archive with which a target of experiments/Snakefile runs on a machine without network; docs/offline.md.
#
#   --python VERSION  Python of that machine
#   --platform TAG    newest platform tag it takes (default manylinux_2_28_x86_64)
#   --prepared DIR    what scripts/prepare.sh and index.sh made
#   TARGET ...        such as table2 scale=paper methods="dense see" (docs/reproduce.md)
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
(($#)) || usage
use_environment
exec python -m experiments.offline "$@"
