#!/usr/bin/env bash
# scripts/reproduce.sh table2|table3|table5|figure5|ablation --dataset iwslt17|wmt17|wmt17-v13|wmt17-v15|DIR
#                      [--scale paper|small|tiny] [--methods M ...] [--ratios R ...] [--seeds S ...]
#                      [--hownet TSV | --openhownet [FOLDER]] [--out DIR] [--list | --prepare]
#                      [--jobs N] [--gpus LIST] [key=value ...]
#
# Trains and scores the cells of one of the paper's tables that are not there yet. A cell is one run with one seed; tables
# share those they have in common. Started again, it goes on where it stopped. docs/reproduce.md tells what the tables are.
#
#   --dataset     text of scripts/download_iwslt17_zh_en.sh or download_wmt17_zh_en.sh; or a folder with
#                 {train,dev,test}.{zh,en}, such as data; or one that scripts/prepare.sh made
#   --scale       paper (the default: 6+6 layers, d = 512, joined BPE of 40,000, fp16 on a GPU), small (3+3, d = 216, 16,000
#                 a side, for CPUs) or tiny (2+1, 4,000: does it work?)
#   --methods     of table2 or table5   (default: the paper's)
#   --ratios      of table2 or ablation (default: 10 20 40 80 and 20)
#   --seeds       default 1
#   --hownet, --openhownet
#                 senses, as scripts/index.sh takes them (default: senses.tsv of the dataset's folder)
#   --out DIR     default runs/reproduce/DATASET-SCALE
#   --list        print the cells and how far they are, and stop
#   --prepare     prepare text and indexes, write the list of runs DIR/TABLE.yaml, and stop: for scripts/slurm_array.sh and
#                 scripts/bundle.sh
#   --jobs, --gpus, key=value
#                 as for scripts/sweep.sh; on one GPU, --jobs 1 is the default
#
# Leaves in DIR: prepared/ (text, dictionaries, unit indexes), cells/NAME (a folder each, as scripts/train.sh and score.sh
# make it), TABLE.yaml. table3 trains nothing: it prints the sizes of dictionaries and models.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

table='' dataset='' scale=paper out='' stop='' jobs='' gpus=''
declare -A chosen=()
senses=() overrides=()
while (($#)); do
    case $1 in
    --dataset | --scale | --hownet | --out | --jobs | --gpus) (($# > 1)) || die "$1 needs a value" ;;&
    --dataset) dataset=$2 && shift 2 ;;
    --scale) scale=$2 && shift 2 ;;
    --out) out=$2 && shift 2 ;;
    --jobs) jobs=$2 && shift 2 ;;
    --gpus) gpus=$2 && shift 2 ;;
    --hownet) senses=(--hownet "$2") && shift 2 ;;
    --openhownet) senses=(--openhownet) && shift
        if (($#)) && [[ $1 != -* && $1 != *=* ]]; then senses+=("$1") && shift; fi ;;
    --methods | --ratios | --seeds) option=$1 && shift
        while (($#)) && [[ $1 != -* && $1 != *=* ]]; do chosen[$option]+=" $1" && shift; done
        [[ -n ${chosen[$option]:-} ]] || die "$option needs a value" ;;
    --list | --prepare) stop=${1#--} && shift ;;
    -h | --help) usage 0 ;;
    -*) die "unknown option $1 (--help tells the options)" ;;
    *=*) overrides+=("$1") && shift ;;
    *) [[ -z $table ]] || die "one table at a time: $table or $1"
        table=$1 && shift ;;
    esac
done
case $table in
table2 | table3 | table5 | figure5 | ablation) ;;
'') usage ;;
*) die "no table $table; choose table2, table3, table5, figure5 or ablation" ;;
esac
case $dataset in
'') die "--dataset is missing (--help tells the options)" ;;
iwslt17) text=$root/runs/iwslt17/text config=iwslt17_zh_en test=tst2010-2015 ;;
wmt17 | wmt17-v13 | wmt17-v15) text=$root/runs/$dataset/text config=wmt17_zh_en test=newstest2017 ;;
*) [[ -d $dataset ]] || die "no folder $dataset, and no dataset of this name (--help tells them)"
    text=$(cd -- "$dataset" && pwd) config=iwslt17_zh_en test=test dataset=$(basename -- "$text") ;;
esac
for ratio in ${chosen[--ratios]:-}; do
    [[ $ratio =~ ^[1-9][0-9]*(\.[0-9]+)?$ ]] || die "--ratios $ratio: not a number from 1 on"
done
for seed in ${chosen[--seeds]:-}; do
    [[ $seed =~ ^[0-9]+$ ]] || die "--seeds $seed: not a whole number"
done
case $scale in
paper)
    size=(--joined --size 40000)
    [[ -n $jobs$gpus ]] || jobs=1
    ;;
small) config=small_zh_en size=(--size 16000) ;;
tiny) config=demo_zh_en size=(--size 4000) ;;
*) die "--scale $scale: choose paper, small or tiny" ;;
esac
out=$(absolute "${out:-$root/runs/reproduce/$dataset-$scale}")
prepared=$out/prepared
[[ ! -d $text/data-bin ]] || prepared=$text
[[ ! -e $text/senses.tsv || ${#senses[@]} -gt 0 ]] || senses=(--hownet "$text/senses.tsv")
use_environment
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
list=$out/$table.yaml

# list_cells OUTPUT: the list of runs to OUTPUT, and a line for each index and each cell to $work/cells. What is out of a
# method's reach is left out of the list, if there are dictionaries to tell it by.
list_cells() {
    local option words options=() plan=()
    for option in "${!chosen[@]}"; do
        read -r -a words <<<"${chosen[$option]}"
        options+=("$option" "${words[@]}")
    done
    if [[ -e $prepared/data-bin/dict.zh.see && ${chosen[--methods]:-} != " dense" && $table =~ ^(table2|ablation)$ ]]; then
        plan=(--plan "$work/plan.json")
        fairseq-see plan "$prepared/data-bin" --json ${chosen[--ratios]+--ratios ${chosen[--ratios]}} \
            --dim "$(sed -n 's/^ *encoder_embed_dim: *//p' "$root/configs/$config.yaml")" >"$work/plan.json"
    fi
    python -m fairseq_see.cells "$table" "$config" "$1" "$out/cells" ${options[@]+"${options[@]}"} \
        ${plan[@]+"${plan[@]}"} >"$work/cells"
}

if [[ $stop == list ]]; then
    [[ $table != table3 ]] || die "table3 has no cells: it trains nothing"
    list_cells "$work/list.yaml"
    sed -n 's/^cell\t//p' "$work/cells"
    exit 0
fi

# Not after an hour of preparing.
if [[ $stop != prepare && $table != table3 ]] &&
    in_half_precision "$root/configs/$config.yaml" ${overrides[@]+"${overrides[@]}"}; then
    python -m fairseq_see.gpu --required
fi
if [[ $prepared != "$text" ]]; then
    for side in zh en; do
        for set in train dev test; do
            [[ -r $text/$set.$side ]] ||
                die "no $text/$set.$side; scripts/download_iwslt17_zh_en.sh and download_wmt17_zh_en.sh fetch the paper's"
        done
    done
    say "== text"
    "$root/scripts/prepare.sh" --train "$text/train" --dev "$text/dev" --test "$test=$text/test" "${size[@]}" \
        --out "$prepared"
fi
mkdir -p -- "$out" || die "cannot make the folder $out"
say "== senses and morphemes"
if ((${#senses[@]})); then
    "$root/scripts/index.sh" "$prepared" "${senses[@]}"
else
    [[ -e $prepared/data-bin/dict.zh.see ]] || die "--hownet or --openhownet is missing: HowNet's senses"
fi
if [[ $table == table3 ]]; then
    python -m fairseq_see.statistics "$prepared/data-bin" "$root/configs/$config.yaml"
    exit 0
fi
list_cells "$list"
while IFS=$'\t' read -r kind name options; do
    [[ $kind == index ]] || continue
    ((${#senses[@]})) || die "$table takes further indexes: give --hownet or --openhownet"
    IFS=$'\t' read -r -a options <<<"$options"
    say "== index $name"
    # In the data's folder, where models find it by its name, and scripts/bundle.sh too.
    "$root/scripts/index.sh" "$prepared" "${senses[@]}" --out "$prepared/data-bin/$name" "${options[@]}"
done <"$work/cells"
say "== cells"
sed -n 's/^cell\t/  /p' "$work/cells" >&2
if [[ $stop == prepare ]]; then
    say "the list of runs is $list, the data $prepared"
    exit 0
fi
rm -rf -- "$work"
# In place of this script, so that whoever ends this ends that.
exec "$root/scripts/sweep.sh" "$list" "$prepared" "$out/cells" ${jobs:+--jobs "$jobs"} ${gpus:+--gpus "$gpus"} \
    ${overrides[@]+"${overrides[@]}"}
