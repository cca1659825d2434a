#!/usr/bin/env bash
# scripts/download_iwslt17_zh_en.sh [--from DIR] [--out DIR]
#
# IWSLT17 Chinese-English as line-aligned text: TED talks to train on, dev2010, tst2010 to tst2015.
#
#   --from DIR  take zh-en.tgz, or the files in it, from DIR; nothing is downloaded
#   --out DIR   default runs/iwslt17
#   WIT3        another place with the files of FBK's repository hlt-mt/WIT3 on GitHub
#
# Leaves text/{train,dev,tst2010,...,tst2015,test}.{zh,en} and text/corpus.json; test is the six test sets together. An
# interrupted download resumes. The talks are TED's, under CC BY-NC-ND.
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
source "$root/scripts/fetch.sh"
from='' out=$root/runs/iwslt17
while (($#)); do
    case $1 in
    --from) from=$2 && shift 2 ;;
    --out) out=$2 && shift 2 ;;
    *) usage ;;
    esac
done
# The checksum is the one that sacrebleu publishes.
unpack_corpus iwslt17 "$out" "$from" \
    zh-en.tgz "${WIT3:-https://raw.githubusercontent.com/hlt-mt/WIT3/master}/archive/2017-01-trnted/texts/zh/en/zh-en.tgz" \
    md5:1c0ae40171d52593df8a6963d3828116
