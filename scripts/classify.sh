#!/usr/bin/env bash
# scripts/classify.sh DIR OUT [--methods "dense see"] [--ratio 10] [options of fairseq-train]
#
# Classifies English sentences with RoBERTa: is it a question or a statement, its closing mark taken away? The sentences
# are those of DIR, made by scripts/prepare.sh and index.sh; half of them are questions. Trains a model for each method
# from scratch, takes the epoch that is best on the validation set, and prints the accuracy on the test set as a table.
#
#   OUT/text, OUT/data-bin  the sets, as text and as fairseq's task sentence_prediction reads them
#   OUT/METHOD              a model, and what fairseq said of it the last time
#
# The model has 2 layers of d = 216, unless options say otherwise: --encoder-layers 4 --max-epoch 10, for example. What
# is there already is not made again; a training that was interrupted goes on, and a higher --max-epoch prolongs one. Any
# other option takes another folder.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

paths=() methods="dense see" ratio=10 options=()
while (($#)); do
    case $1 in
    -h | --help) usage 0 ;;
    --methods | --ratio) (($# > 1)) || die "$1 needs a value"
        printf -v "${1#--}" %s "$2" && shift 2 ;;
    *) if ((${#paths[@]} < 2)) && [[ $1 != -* ]]; then paths+=("$1"); else options+=("$1"); fi
        shift ;;
    esac
done
((${#paths[@]} == 2)) || usage
dir=${paths[0]} out=${paths[1]}
need_ratio --ratio "$ratio"
for file in pieces/train.en data-bin/dict.en.txt data-bin/dict.en.see; do
    [[ -e $dir/$file ]] || die "no $dir/$file; run scripts/prepare.sh and index.sh first"
done
use_environment
claim "$out"
checksum "$dir/pieces/train.en" "$dir"/data-bin/dict.en.{txt,see} | keep_settings "$out/text.settings" ||
    die "$out is of another text or unit index than $dir has; choose another folder"
for method in $methods; do
    run=$out/$method
    mkdir -p -- "$run" || die "cannot make the folder $run"
    # A training that never got as far as a checkpoint may be tried again with other settings.
    some "$run"/*.pt || rm -f -- "$run/train.settings"
    # How long to train is no setting, so that a training can be prolonged.
    {
        [[ $method == dense ]] || echo "ratio $ratio"
        ((${#options[@]} == 0)) || printf '%s\n' "${options[@]}" | sed '/^--max-epoch$/{N;d}; /^--max-epoch=/d'
    } | keep_settings "$run/train.settings" ||
        die "$run was trained with other settings; choose another folder, or remove it"
done
data=$out/data-bin

# binarise NAME KIND OPTION...
binarise() {
    local name=$1 kind=$2
    shift 2
    logged "$out/preprocess-$name.log" python -m fairseq_cli.preprocess --only-source --trainpref "$out/text/train.$kind" \
        --validpref "$out/text/valid.$kind" --testpref "$out/text/test.$kind" --destdir "$data.tmp/$name" "$@"
}

if [[ ! -e $data ]]; then
    say "making the sets"
    mkdir -p -- "$out/text"
    python -m experiments.corpus.questions "$dir/pieces/train.en" "$out/text" >&2
    rm -rf -- "$data.tmp"
    binarise input0 input --srcdict "$dir/data-bin/dict.en.txt"
    binarise label label
    # The dictionary is the same, and so is its index.
    cp -- "$dir/data-bin/dict.en.see" "$data.tmp/input0/dict.see"
    mv -- "$data.tmp" "$data"
fi

task=(--task sentence_prediction --criterion sentence_prediction --num-classes 2 --init-token 0)
# Without the last, fairseq leaves out what remains when a set is divided by 8.
task+=(--max-positions 128 --shorten-method truncate --required-batch-size-multiple 1)

# classify METHOD
classify() {
    local method=$1 run=$out/$1 embedding=(--see-method "$1")
    [[ $method == dense ]] || embedding+=(--see-ratio "$ratio" --see-index "$data/input0")
    logged "$run/train.log" python -m fairseq_cli.train "$data" --user-dir "$root/fairseq_see" --save-dir "$run" "${task[@]}" \
        --best-checkpoint-metric accuracy --maximize-best-checkpoint-metric \
        --arch see_roberta --encoder-layers 2 --encoder-embed-dim 216 --encoder-ffn-embed-dim 512 \
        --encoder-attention-heads 4 --pooler-dropout 0.1 "${embedding[@]}" \
        --optimizer adam --adam-betas "(0.9, 0.98)" --clip-norm 1 --lr 0.001 --lr-scheduler inverse_sqrt \
        --warmup-updates 100 --batch-size 32 --max-epoch 10 --seed 1 --num-workers 0 \
        --update-epoch-batch-itr True --no-epoch-checkpoints --no-progress-bar --log-format simple \
        ${options[@]+"${options[@]}"}
    logged "$run/test.log" python -m fairseq_cli.validate "$data" --user-dir "$root/fairseq_see" --path "$run/checkpoint_best.pt" \
        "${task[@]}" --valid-subset test --batch-size 64 --no-progress-bar --log-format simple
}

for method in $methods; do
    say "$method"
    classify "$method"
done
echo "| method | parameters of the table | ratio | accuracy on the test set |"
echo "|---|---:|---:|---:|"
for method in $methods; do
    # "encoder embedding: see, 2,300 parameters for 72 x 64 (2.00x), ..." and "valid on 'test' subset | ... | accuracy 97.5"
    table=$(grep -o 'encoder embedding: .*' -- "$out/$method/test.log" | tail -n 1)
    accuracy=$(grep -o "accuracy [0-9.]*" -- "$out/$method/test.log" | tail -n 1)
    [[ $table =~ ,\ ([0-9,]+)\ parameters.*\(([0-9.]+x)\) ]] || die "$out/$method/test.log tells no size"
    echo "| \`$method\` | ${BASH_REMATCH[1]} | ${BASH_REMATCH[2]} | ${accuracy#accuracy } |"
done
