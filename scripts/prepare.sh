#!/usr/bin/env bash
# scripts/prepare.sh TEXT OUT [name=value ...]
#
# From raw text, TEXT/{train,dev,test}.{zh,en} (line-aligned, UTF-8), to binarised data in OUT, by the rules of
# experiments/text.smk: cleaning, words (jieba, Moses), subword-nmt or sentencepiece, fairseq-preprocess. Each command is
# printed as it runs; what is there already is not made again.
#
#   source=zh target=en              languages, the ends of the files' names
#   train=PREFIX dev=PREFIX tests="NAME=PREFIX ..."    text elsewhere; several test sets
#   subwords=bpe|sentencepiece size=16000 joined=false subwords, a set for each side, or one for both
#   max_words= max_chars= max_ratio= max_pairs=        limits of a pair, as python -m experiments clean has them
#   like=DIR                         the subwords and dictionaries of DIR, prepared before: a further test set for its models
#
# OUT has clean/, tok/, raw/ (references), codes.* or spm.*.model, subwords/, data-bin/, tests.txt and report.txt.
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
(($# >= 2)) || usage
workflow prepared scale=small corpus="$1" prepared="$2" out="$2" "${@:3}"
