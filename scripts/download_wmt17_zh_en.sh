#!/usr/bin/env bash
# scripts/download_wmt17_zh_en.sh [--nc v12|v13|v15] [--from DIR] [--out DIR]
#
# WMT17 Chinese-English as line-aligned text: News Commentary to train on, newsdev2017, newstest2017.
#
#   --nc VERSION  v12 (of WMT17, the default), v13 (of WMT18) or v15 (of WMT20). The paper speaks of about 320,000 pairs:
#                 v15 has that many, v12 about 227,000
#   --from DIR    take the archives, or the files in them, from DIR; nothing is downloaded
#   --out DIR     default runs/wmt17 (v13: runs/wmt17-v13, v15: runs/wmt17-v15)
#   STATMT        another place with the files of https://data.statmt.org
#
# Leaves text/{train,dev,test}.{zh,en} and text/corpus.json. Interrupted downloads resume.
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
source "$root/scripts/fetch.sh"
nc=v12 from='' out=''
while (($#)); do
    case $1 in
    --nc) nc=$2 && shift 2 ;;
    --from) from=$2 && shift 2 ;;
    --out) out=$2 && shift 2 ;;
    *) usage ;;
    esac
done
site=${STATMT:-https://data.statmt.org}
# Checksums: News Commentary as TensorFlow Datasets publishes them (wmt17_translate, wmt18_translate), dev and test as
# sacrebleu does; none is known of v15.
case $nc in
v12) train=(training-parallel-nc-v12.tgz "$site/wmt17/translation-task/training-parallel-nc-v12.tgz"
    sha256:2b45f30ef1d550d302fd17dd3a5cbe19134ccc4c2cf50c2dae534aee600101a2) ;;
v13) train=(training-parallel-nc-v13.tgz "$site/wmt18/translation-task/training-parallel-nc-v13.tgz"
    sha256:17992b7e919cfb754c60f4e754148bc23b80706ad0ed7b34150831a554b40c91) ;;
v15) train=(news-commentary-v15.en-zh.tsv.gz "$site/news-commentary/v15/training/news-commentary-v15.en-zh.tsv.gz" '') ;;
*) die "--nc $nc: choose v12, v13 or v15" ;;
esac
name=wmt17-$nc
unpack_corpus "$name" "${out:-$root/runs/${name%-v12}}" "$from" "${train[@]}" \
    dev.tgz "$site/wmt17/translation-task/dev.tgz" md5:9b1aa63c1cf49dccdd20b962fe313989 \
    test.tgz "$site/wmt17/translation-task/test.tgz" md5:86a1724c276004aa25455ae2a04cef26
