#!/usr/bin/env bash
# scripts/fit.sh RUN OUT --see-method METHOD | --preset NAME [OPTION of fairseq-see fit ...]
#
# Compresses the tables of a trained run (of scripts/train.sh) into a run of its own, which scripts/score.sh scores and
# python -m experiments report compares like a trained one; for example quantised, without training anything further:
#
#   scripts/fit.sh runs/dense runs/int8 --see-method int8 --epochs 0
#
# OUT/checkpoints/checkpoint_best.pt is the model, OUT/dict*.txt are its dictionaries, OUT/fit.json what fairseq-see fit
# measured, OUT/fit.log what it said, OUT/provenance.json the commit and the machine. What is fitted already is not done
# again.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

[[ ${1:-} != -h && ${1:-} != --help ]] || usage 0
(($# >= 3)) || usage
run=$1 out=$2
shift 2
checkpoint=$run/checkpoints/checkpoint_best.pt
[[ -e $checkpoint ]] || die "no $checkpoint; scripts/train.sh makes it"
[[ ! -e $run/train.settings || -e $run/done ]] || die "the training of $run has not ended; scripts/train.sh goes on with it"
[[ ! $run -ef $out ]] || die "$out is the run whose tables are compressed; choose another folder"
use_environment
claim "$out"

[[ -e $out/checkpoints/checkpoint_best.pt ]] || rm -f -- "$out/fit.settings" "$out/done"
{
    echo "checkpoint $(checksum "$checkpoint")"
    for option in "$@"; do echo "option $option"; done
} | keep_settings "$out/fit.settings" ||
    die "$out was fitted with other settings, or to another model; choose another folder, or remove it"
if cmp -s -- "$out/done" "$out/fit.settings"; then
    say "$out is fitted already"
    exit 0
fi
cp -- "$run"/dict.*txt "$out/"
python -m experiments.report.provenance "$out/provenance.json"
say "fitting $out to $run"
if ! fairseq-see fit "$checkpoint" --output "$out/checkpoints/checkpoint_best.pt" --json "$@" \
    >"$out/fit.json.tmp" 2>"$out/fit.log"; then
    rm -f -- "$out/fit.json.tmp"
    message=$(sed -n 's/^error: //p' "$out/fit.log")
    [[ -z $message ]] || die "$message"
    tail -n 12 -- "$out/fit.log" | cut -c1-500 >&2
    die "fitting failed; all it said is in $out/fit.log"
fi
mv -- "$out/fit.json.tmp" "$out/fit.json"
cp -- "$out/fit.settings" "$out/done.tmp"
mv -- "$out/done.tmp" "$out/done"
