#!/usr/bin/env bash
# scripts/score.sh RUN DIR [NAME ...]
#
# Translates the test sets of DIR (of scripts/prepare.sh; all of them, or those named) with the best checkpoint of RUN in
# the direction it was trained in, beam 5, and scores the translations:
#
#   RUN/NAME.hyp, .ref          translations and references as ordinary text, a line for each line of the test set
#   RUN/NAME.hyp.tok, .ref.tok  the same, tokenised
#   RUN/run.json                BLEU and chrF (sacrebleu, with signatures), and the tokenised BLEU of the papers
#
# DIR may be another folder than RUN was trained on, if it has the same dictionaries (scripts/prepare.sh with like=DIR).
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
(($# >= 2)) || usage
run=$1 dir=$2
shift 2
use_environment
[[ -d $run ]] || die "no run $run; scripts/train.sh makes one"
exec 9>"$run/.lock"
flock 9
take_gpu
status=0
checked=$(python -m experiments.scoring check "$run" "$dir" "$@") || status=$?
((status != 3)) || exit 0 # infeasible, or diverged: there is nothing to score
((status == 0)) || exit "$status"
read -r source target join <<<"${checked%%$'\n'*}"

while IFS=$'\t' read -r subset name; do
    out=$run/$name
    fairseq-generate "$dir/data-bin" --user-dir "$root/fairseq_see" --path "$run/checkpoints/checkpoint_best.pt" \
        --source-lang "$source" --target-lang "$target" --gen-subset "$subset" --beam 5 --remove-bpe "$join" \
        --max-tokens 4096 --required-batch-size-multiple 1 --skip-invalid-size-inputs-valid-test \
        >"$out.generate" 2>"$out.generate.log" </dev/null || { tail -n 12 -- "$out.generate.log" >&2 && exit 1; }
    python -m experiments.scoring arrange "$out.generate" "$dir/tok/$name.$target" >"$out.hyp.tok"
    python -m experiments.corpus.tokenize join --lang "$target" <"$out.hyp.tok" >"$out.hyp"
    cp -- "$dir/raw/$name.$target" "$out.ref"
    cp -- "$dir/tok/$name.$target" "$out.ref.tok"
    sacrebleu "$out.ref" -i "$out.hyp" -l "$source-$target" -m bleu chrf -w 4 --format json >"$out.sacrebleu.json"
    sacrebleu "$out.ref.tok" -i "$out.hyp.tok" -m bleu -w 4 --tokenize none --force --format json >"$out.tokenised.json"
done < <(tail -n +2 <<<"$checked")
python -m experiments.scoring record "$run" "$dir" "$@"
