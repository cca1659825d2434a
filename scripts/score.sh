#!/usr/bin/env bash
# scripts/score.sh RUN DIR [NAME ...]
#
# Translates the test sets of DIR (made by scripts/prepare.sh; all of them, or those named) with the best checkpoint of
# RUN, beam 5, and scores the translations:
#
#   RUN/NAME.hyp.tok      the translations, a line for each line of the test set, as words
#   RUN/NAME.hyp          the same as ordinary text
#   RUN/NAME.ref.tok, .ref  the references, for `python -m experiments report --out`
#   RUN/NAME.scores.json  bleu, chrf and their signatures (sacrebleu, ordinary text against the raw references), and
#                         tokenised_bleu: case-sensitive BLEU of the words, the measure of the papers
#
# DIR may be another folder than the model was trained on, if it has the same dictionaries (scripts/prepare.sh --like).
# What is newer than the checkpoint, and of the same test set, is not done again.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

[[ ${1:-} != -h && ${1:-} != --help ]] || usage 0
(($# >= 2)) || usage
run=$1 dir=$2
shift 2
checkpoint=$run/checkpoints/checkpoint_best.pt
[[ -e $checkpoint ]] || die "no $checkpoint; scripts/train.sh makes it"
[[ -e $dir/tests.txt && -e $dir/data-bin/dict.en.txt ]] || die "no test sets in $dir; scripts/prepare.sh makes them"
for dictionary in "$run"/dict.*.txt; do
    [[ ! -e $dictionary ]] || cmp -s -- "$dictionary" "$dir/data-bin/${dictionary##*/}" ||
        die "$dir has another ${dictionary##*/} than $run was trained with; scripts/prepare.sh --like makes one that fits"
done
use_environment
only_one "$run/.lock" "scripts/train.sh or score.sh on $run"

declare -A subset_of=()
names=()
while IFS=$'\t' read -r subset name; do
    subset_of[$name]=$subset
    names+=("$name")
done <"$dir/tests.txt"
for name in "$@"; do [[ -n ${subset_of[$name]-} ]] || die "no test set $name in $dir; there are: ${names[*]}"; done
(($# == 0)) || names=("$@")

# How fairseq joins pieces: what their dictionary says, which is all that is there on a machine without network.
join=$(python -c 'import sys; from fairseq_see.units import Vocabulary
print({"bpe": "subword_nmt", "sentencepiece": "sentencepiece", "plain": "none"}[Vocabulary.load(sys.argv[1]).scheme])' \
    "$dir/data-bin/dict.en.txt")

# translate NAME. fairseq silently drops the last sentences of a set whose size is no multiple of
# --required-batch-size-multiple, which is 8 by itself.
translate() {
    local name=$1 hypotheses=$run/$1.hyp.tok
    [[ $hypotheses -nt $checkpoint ]] && return 0
    if ! python -m fairseq_cli.generate "$dir/data-bin" --user-dir "$root/fairseq_see" --path "$checkpoint" \
        --source-lang zh --target-lang en --gen-subset "${subset_of[$name]}" --beam 5 --remove-bpe "$join" \
        --max-tokens 4096 --required-batch-size-multiple 1 \
        --skip-invalid-size-inputs-valid-test --log-format simple --log-interval 20 \
        >"$run/$name.generate.tmp" 2>"$run/$name.generate.log"; then
        tail -n 12 -- "$run/$name.generate.log" >&2
        die "fairseq-generate failed; all it said is in $run/$name.generate.log"
    fi
    mv -- "$run/$name.generate.tmp" "$run/$name.generate"
    # Sentences come in any order, and those too long for the model not at all: a line for each, empty where there is none.
    python - "$run/$name.generate" "$dir/tok/$name.en" "$hypotheses.tmp" <<'PY'
import sys

generated, references, output = sys.argv[1:]
with open(generated, encoding="utf-8", newline="\n") as file:
    rows = (line.rstrip("\n").split("\t", 2) for line in file if line.startswith("D-"))
    found = {int(row[0][2:]): row[2] for row in rows}
with open(references, encoding="utf-8", newline="\n") as file:
    count = sum(1 for _ in file)
if len(found) < count:
    print(f"warning: {count - len(found)} of {count} sentences are too long for the model: left empty", file=sys.stderr)
with open(output, "w", encoding="utf-8", newline="\n") as file:
    file.writelines(found.get(i, "") + "\n" for i in range(count))
PY
    mv -- "$hypotheses.tmp" "$hypotheses"
}

# score NAME
score() {
    local name=$1 scores=$run/$1.scores.json
    python -m experiments.corpus.tokenize join --lang en <"$run/$name.hyp.tok" >"$run/$name.hyp.tmp"
    mv -- "$run/$name.hyp.tmp" "$run/$name.hyp"
    python -m sacrebleu "$dir/raw/$name.en" -i "$run/$name.hyp" -m bleu chrf -w 4 --format json >"$scores.text"
    python -m sacrebleu "$dir/tok/$name.en" -i "$run/$name.hyp.tok" -m bleu -w 4 --tokenize none --force --format json \
        >"$scores.words"
    python - "$name" "$scores.text" "$scores.words" "$scores.tmp" <<'PY'
import json, sys

name, text, words, output = sys.argv[1:]
bleu, chrf = json.load(open(text))
tokenised = json.load(open(words))
scores = {
    "test": name,
    "bleu": bleu["score"],
    "signature": f"BLEU|{bleu['signature']}",
    "chrf": chrf["score"],
    "chrf_signature": f"{chrf['name']}|{chrf['signature']}",
    "tokenised_bleu": tokenised["score"],
    "tokenised_signature": f"BLEU|{tokenised['signature']}",
}
with open(output, "w") as file:
    json.dump(scores, file, indent=2)
    file.write("\n")
PY
    rm -f -- "$scores.text" "$scores.words"
    mv -- "$scores.tmp" "$scores"
}

number=0
for name in "${names[@]}"; do
    number=$((number + 1))
    # What was made of another test set of this name is made anew.
    set=$(checksum "$dir/raw/$name.en" "$dir/data-bin/${subset_of[$name]}".*.bin)
    if [[ $(cat -- "$run/$name.set" 2>/dev/null) != "$set" ]]; then
        rm -f -- "$run/$name.hyp.tok" "$run/$name.scores.json"
        printf '%s\n' "$set" >"$run/$name.set"
    fi
    cmp -s -- "$dir/tok/$name.en" "$run/$name.ref.tok" || cp -- "$dir/tok/$name.en" "$run/$name.ref.tok"
    cmp -s -- "$dir/raw/$name.en" "$run/$name.ref" || cp -- "$dir/raw/$name.en" "$run/$name.ref"
    if [[ $run/$name.scores.json -nt $checkpoint ]]; then
        say "[$number/${#names[@]}] $name is scored already"
    else
        say "[$number/${#names[@]}] translating and scoring $name"
        translate "$name"
        score "$name"
    fi
    python -c 'import json, sys
s = json.load(open(sys.argv[1]))
print("%(test)s: BLEU %(bleu).1f  chrF %(chrf).1f  tokenised BLEU %(tokenised_bleu).1f" % s)' "$run/$name.scores.json"
done
