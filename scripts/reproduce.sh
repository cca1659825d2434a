#!/usr/bin/env bash
# scripts/reproduce.sh table2|table3|table5|figure5|grid|ablation|practitioner
#                      --dataset iwslt17|wmt17|wmt17-v13|wmt17-v15|DIR
#                      [--scale paper|small|tiny] [--methods M ...] [--ratios R ...] [--seeds S ...]
#                      [--ranks R ...] [--orders O ...] [--ms M ...] [--sizes N ...] [--recipes FILE.yaml] [--updates N]
#                      [--senses TSV | --openhownet [FOLDER]]
#                      [--out DIR] [--list | --prepare] [--jobs N] [--gpus LIST] [key=value ...]
#
# Trains and scores the cells of one of the paper's tables that are not there yet. A cell is one run with one seed; tables
# share those they have in common. Started again, it goes on where it stopped. docs/reproduce.md tells what the tables are.
#
#   --dataset     text of scripts/download_iwslt17_zh_en.sh or download_wmt17_zh_en.sh; or a folder with
#                 {train,dev,test}.{zh,en}, such as data; or one that scripts/prepare.sh made
#   --scale       paper (the default: 6+6 layers, d = 512, joined BPE of 40,000, fp16 on a GPU), small (3+3, d = 216, 16,000
#                 a side, for CPUs) or tiny (2+1, 4,000: does it work?)
#   --methods     of table2 or table5   (default: the paper's)
#   --ratios      of table2, ablation or practitioner (default: 10 20 40 80; of ablation 20)
#   --ranks, --orders, --ms
#                 of grid: SEE with each rank, order and m of these together (default: 3 5 7, 2 3 4 and 3 9 18)
#   --sizes       of practitioner: merges of BPE in place of the dataset's (default: 4000 8000; at --scale tiny 1000 2000)
#   --seeds       default 1
#   --recipes     overrides by method, such as scripts/search.sh finds, for every cell of the method: SEE's for its controls,
#                 dense's for what practitioners do with it. They say nothing of how long to train: --updates does
#   --updates N   train for so many updates, whatever the configuration says of updates and epochs
#   --senses, --openhownet
#                 senses, as scripts/index.sh takes them (default: senses.tsv of the dataset's folder)
#   --out DIR     default runs/reproduce/DATASET-SCALE
#   --list        print the cells and how far they are, and stop
#   --prepare     prepare text and indexes, write the list of runs DIR/TABLE.yaml, and stop: for scripts/slurm_array.sh and
#                 scripts/bundle.sh
#   --jobs, --gpus, key=value
#                 as for scripts/sweep.sh; on one GPU, --jobs 1 is the default. key=value is stronger than recipes
#
# Leaves in DIR: prepared/ (text, dictionaries, unit indexes), cells/NAME (a folder each, as scripts/train.sh and score.sh
# make it), TABLE.yaml; of practitioner also prepared-NAME/ and practitioner-NAME.yaml for text that is cut otherwise.
# table3 trains nothing: it prints the sizes of dictionaries and models.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

table='' dataset='' scale=paper out='' stop='' jobs='' gpus='' recipes='' updates=''
declare -A chosen=()
senses=() overrides=()
while (($#)); do
    case $1 in
    --dataset | --scale | --senses | --out | --jobs | --gpus | --recipes | --updates) (($# > 1)) || die "$1 needs a value" ;;&
    --dataset) dataset=$2 && shift 2 ;;
    --scale) scale=$2 && shift 2 ;;
    --out) out=$2 && shift 2 ;;
    --jobs) jobs=$2 && shift 2 ;;
    --gpus) gpus=$2 && shift 2 ;;
    --recipes) recipes=$2 && shift 2 ;;
    --updates) updates=$2 && shift 2 ;;
    --senses) senses=(--senses "$2") && shift 2 ;;
    --openhownet) senses=(--openhownet) && shift
        if (($#)) && [[ $1 != -* && $1 != *=* ]]; then senses+=("$1") && shift; fi ;;
    --methods | --ratios | --seeds | --sizes | --ranks | --orders | --ms) option=$1 && shift
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
table2 | table3 | table5 | figure5 | grid | ablation | practitioner) ;;
'') usage ;;
*) die "no table $table; choose table2, table3, table5, figure5, grid, ablation or practitioner" ;;
esac
case $dataset in
'') die "--dataset is missing (--help tells the options)" ;;
iwslt17) text=$root/runs/iwslt17/text config=iwslt17_zh_en test=tst2010-2015 ;;
wmt17 | wmt17-v13 | wmt17-v15) text=$root/runs/$dataset/text config=wmt17_zh_en test=newstest2017 ;;
*) [[ -d $dataset ]] || die "no folder $dataset, and no dataset of this name (--help tells them)"
    text=$(cd -- "$dataset" && pwd) config=iwslt17_zh_en test=test dataset=$(basename -- "$text") ;;
esac
for ratio in ${chosen[--ratios]:-}; do need_ratio --ratios "$ratio"; done
for seed in ${chosen[--seeds]:-}; do
    [[ $seed =~ ^[0-9]+$ ]] || die "--seeds $seed: not a whole number"
done
for option in --sizes --ranks --orders --ms; do
    for number in ${chosen[$option]:-}; do
        [[ $number =~ ^[1-9][0-9]*$ ]] || die "$option $number: not a whole number above 0"
    done
done
[[ -z $updates || $updates =~ ^[1-9][0-9]*$ ]] || die "--updates $updates: not a whole number above 0"
[[ -z $jobs || $jobs =~ ^[1-9][0-9]*$ ]] || die "--jobs $jobs: not a whole number above 0"
[[ -z $recipes || -n $updates || " ${overrides[*]-}" == *[\ +]optimization.max_update=* ]] ||
    die "--recipes does not tell how long to train: add --updates N"
[[ $table == practitioner || -z ${chosen[--sizes]:-} ]] || die "--sizes goes with practitioner"
[[ $table == grid || -z ${chosen[--ranks]:-}${chosen[--orders]:-}${chosen[--ms]:-} ]] ||
    die "--ranks, --orders and --ms go with grid"
pieces=bpe joined=''
case $scale in
paper)
    size=40000 joined=yes
    [[ -n $jobs$gpus ]] || jobs=1
    ;;
small) config=small_zh_en size=16000 ;;
tiny)
    config=demo_zh_en size=4000
    [[ $table != practitioner || -n ${chosen[--sizes]:-} ]] || chosen[--sizes]="1000 2000"
    ;;
*) die "--scale $scale: choose paper, small or tiny" ;;
esac
out=$(absolute "${out:-$root/runs/reproduce/$dataset-$scale}")
prepared=$out/prepared
[[ ! -d $text/data-bin ]] || prepared=$text
if [[ $prepared == "$text" && $table == practitioner ]]; then
    [[ -r $text/prepare.settings && -r $text/tests.txt ]] || die "$text was not made by scripts/prepare.sh; give raw text"
    read -r pieces size <"$text/prepare.settings"
    joined=$(sed -n 's/^joined \(yes\)$/\1/p' "$text/prepare.settings")
fi
[[ ! -e $text/senses.tsv || ${#senses[@]} -gt 0 ]] || senses=(--senses "$text/senses.tsv")
use_environment
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
list=$out/$table.yaml

# list_cells OUTPUT: the list of runs to OUTPUT, and a line for each index and each cell to $work/cells. What is out of a
# method's reach is left out of the list, if there are dictionaries to tell it by.
list_cells() {
    local option words options=() plan=() dim
    dim=$(sed -n 's/^ *encoder_embed_dim: *//p' "$root/configs/$config.yaml")
    for option in "${!chosen[@]}"; do
        read -r -a words <<<"${chosen[$option]}"
        options+=("$option" "${words[@]}")
    done
    if [[ $table == practitioner ]]; then
        options+=(--dim "$dim" --size "$size" ${joined:+--joined})
        [[ ! -e $prepared/data-bin/dict.zh.txt ]] || plan=(--methods product_quantised)
    elif [[ -e $prepared/data-bin/dict.zh.see && ${chosen[--methods]:-} != " dense" && $table =~ ^(table2|ablation)$ ]]; then
        plan=(--index "$prepared/data-bin")
    fi
    if ((${#plan[@]})); then
        fairseq-see plan "$prepared/data-bin" "${plan[@]}" --json ${chosen[--ratios]+--ratios ${chosen[--ratios]}} \
            --dim "$dim" >"$work/plan.json"
        plan=(--plan "$work/plan.json")
    fi
    [[ ! -e $prepared/tests.txt ]] || options+=(--tests "$prepared/tests.txt")
    python -m experiments.paper_tables "$table" "$config" "$1" "$out/cells" ${options[@]+"${options[@]}"} \
        ${recipes:+--recipes "$recipes"} ${updates:+--updates "$updates"} ${plan[@]+"${plan[@]}"} >"$work/cells"
}

if [[ $stop == list ]]; then
    [[ $table != table3 ]] || die "table3 has no cells: it trains nothing"
    list_cells "$work/list.yaml"
    sed -n 's/^cell\t//p' "$work/cells"
    exit 0
fi

# prepare OUT OPTION...: the dataset's text, cut as the options say; of a folder that is prepared already, its own text
prepare() {
    local folder=$1 from=$text names=("$test") limits=() name side
    shift
    if [[ -d $text/data-bin ]]; then
        # References are kept as they came; everything else was cleaned, and so may be cleaned again, in the same way.
        read -r -a limits < <(sed -n 's/^limits //p' "$text/prepare.settings") || true
        from=$out/text
        mkdir -p -- "$from" || die "cannot make the folder $from"
        ln -sf -- "$text"/clean/*.{zh,en} "$from/"
        ln -sf -- "$text"/raw/*.en "$from/"
        mapfile -t names < <(cut -f 2 "$text/tests.txt")
    fi
    local tests=()
    for name in "${names[@]}"; do
        if [[ $from == "$text" ]]; then tests+=(--test "$name=$from/test"); else tests+=(--test "$name=$from/$name"); fi
    done
    "$root/scripts/prepare.sh" --train "$from/train" --dev "$from/dev" "${tests[@]}" --subwords "$pieces" "$@" \
        ${limits[@]+"${limits[@]}"} --out "$folder"
}

# Not after an hour of preparing.
if [[ $stop != prepare && $table != table3 ]] &&
    in_half_precision "$root/configs/$config.yaml" ${overrides[@]+"${overrides[@]}"}; then
    python -m experiments.check_gpu --required
fi
[[ $table == table3 ]] || list_cells "$work/list.yaml"
if [[ $prepared != "$text" ]]; then
    for side in zh en; do
        for set in train dev test; do
            [[ -r $text/$set.$side ]] ||
                die "no $text/$set.$side; scripts/download_iwslt17_zh_en.sh and download_wmt17_zh_en.sh fetch the paper's"
        done
    done
    say "== text"
    prepare "$prepared" --size "$size" ${joined:+--joined}
fi
mkdir -p -- "$out" || die "cannot make the folder $out"
[[ $table == practitioner ]] || say "== senses and morphemes"
if [[ $table == practitioner ]]; then
    : # has dense tables only
elif ((${#senses[@]})); then
    "$root/scripts/index.sh" "$prepared" "${senses[@]}"
else
    [[ -e $prepared/data-bin/dict.zh.see ]] || die "--senses or --openhownet is missing: HowNet's senses"
fi
if [[ $table == table3 ]]; then
    python -m experiments.table3 "$prepared/data-bin" "$root/configs/$config.yaml"
    exit 0
fi
list_cells "$list"
while IFS=$'\t' read -r kind name options; do
    [[ $kind == index ]] || continue
    ((${#senses[@]})) || die "$table takes further indexes: give --senses or --openhownet"
    IFS=$'\t' read -r -a options <<<"$options"
    say "== index $name"
    # In the data's folder, where models find it by its name, and scripts/bundle.sh too.
    "$root/scripts/index.sh" "$prepared" "${senses[@]}" --out "$prepared/data-bin/$name" "${options[@]}"
done <"$work/cells"
# text_of NAME, list_of NAME: the folder whose text is cut so, "" being the usual one, and the list of the runs on it
text_of() { if [[ -n $1 ]]; then echo "$out/prepared-$1"; else echo "$prepared"; fi; }
list_of() { echo "${list%.yaml}${1:+-$1}.yaml"; }
texts=('')
while IFS=$'\t' read -r kind name options; do
    [[ $kind == data ]] || continue
    IFS=$'\t' read -r -a options <<<"$options"
    say "== text $name"
    prepare "$(text_of "$name")" "${options[@]}"
    texts+=("$name")
done <"$work/cells"
say "== cells"
sed -n 's/^cell\t/  /p' "$work/cells" >&2
[[ -e $list ]] || { say "none of them can be trained" && exit 0; }
if [[ $stop == prepare ]]; then
    for name in "${texts[@]}"; do say "the list of runs is $(list_of "$name"), the data $(text_of "$name")"; done
    exit 0
fi
sweep=("$out/cells" ${jobs:+--jobs "$jobs"} ${gpus:+--gpus "$gpus"} ${overrides[@]+"${overrides[@]}"})
if [[ $table != practitioner ]]; then
    rm -rf -- "$work"
    # In place of this script, so that whoever ends this ends that.
    exec "$root/scripts/sweep.sh" "$list" "$prepared" "${sweep[@]}"
fi

# child COMMAND...: so that whoever ends this script ends the command, too
child() {
    "$@" </dev/null &
    trap 'kill "$!" 2>/dev/null; exit 130' INT TERM
    wait "$!"
}
failed=''
for name in "${texts[@]}"; do
    child "$root/scripts/sweep.sh" "$(list_of "$name")" "$(text_of "$name")" "${sweep[@]}" || failed=yes
done
say "== quantised"
[[ -z $gpus ]] || export CUDA_VISIBLE_DEVICES=${gpus%%,*}
while IFS=$'\t' read -r kind name source options; do
    [[ $kind == fit ]] || continue
    IFS=$'\t' read -r -a options <<<"$options"
    # What did not train has been told.
    [[ -e $out/cells/$source/done ]] || continue
    child "$root/scripts/fit.sh" "$out/cells/$source" "$out/cells/$name" "${options[@]}" &&
        child "$root/scripts/score.sh" "$out/cells/$name" "$prepared" || failed=yes
done <"$work/cells"
[[ -z $failed ]] || die "some cells failed; what they said stands above"
say "all cells are in $out/cells"
