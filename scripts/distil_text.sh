#!/usr/bin/env bash
# scripts/distil_text.sh TEACHER DIR OUT [name=value ...]
#
# Sequence-level distillation (Kim and Rush 2016, arXiv 1606.07947): makes OUT, a folder like DIR (of scripts/prepare.sh)
# whose training targets are the translations, beam 5, of TEACHER (a run of scripts/train.sh, in the direction of DIR).
# Dictionaries, unit indexes, source side, dev and test sets are DIR's; scripts/train.sh and score.sh take OUT like DIR.
# Re-running resumes; SNAKEMAKE="--cores 1" translates one part at a time, gpus=0,1 one on each GPU.
#
#   OUT/translations  what fairseq-generate prints, in parts     OUT/teacher.json  checksums of TEACHER's model and DIR's data
#   OUT/subwords, data-bin  the new text; where a translation is empty, the reference stays, and the count is printed
#   OUT/tok, raw            DIR's: indexes are made, and frequencies counted, of the references' words
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
(($# >= 3)) || usage
teacher=$1 dir=$2 out=$3
use_environment
direction=$(python -m experiments.distil_text check "$teacher" "$dir" "$out")
exec 9>"$out/.lock"
flock 9
shopt -s nullglob
cp -rpL -- "$dir"/{tok,raw,tests.txt} "$dir"/codes.* "$dir"/spm.*.model "$dir"/report.* "$out"
read -r source target <<<"$direction"
workflow distil_text scale=small out="$out" prepared="$out" like="$dir" teacher="$teacher" source="$source" target="$target" "${@:4}"
