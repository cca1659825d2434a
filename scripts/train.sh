#!/usr/bin/env bash
# scripts/train.sh CONFIG DATA-BIN RUN [key=value ...]
#
# Trains a model with fairseq-hydra-train and the plugin. CONFIG is a file, or the name of one in configs/. What follows
# RUN overrides it, for example: model.see_method=see model.see_ratio=10 optimization.max_epoch=5
#
# RUN/checkpoints holds the model, RUN/dict*.txt its dictionaries, RUN/train.log everything fairseq says, RUN/curve.tsv the
# losses in it, RUN/provenance.json the commit and the machine. An interrupted run goes on from its last checkpoint; one
# that has none begins anew, and its log is kept as RUN/train.log.before. A finished one (RUN/done) is not trained again.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

[[ ${1:-} != -h && ${1:-} != --help ]] || usage 0
(($# >= 3)) || usage
config=$1 data=$2 run=$3
shift 3

[[ -f $config ]] || own=$root/configs/${config%.yaml}.yaml
[[ -f ${own:-$config} ]] || die "no configuration $config and no $own"
config=${own:-$config}
[[ $config == *.yaml ]] || die "$config: fairseq reads configurations with a name that ends in .yaml"
config=$(absolute "$config")
[[ -d $data ]] || die "no folder $data; scripts/prepare.sh makes DIR/data-bin"
data=$(cd -- "$data" && pwd)
[[ $data != *:* ]] || die "$data: fairseq cannot read a path with a colon; move it"
some "$data"/dict*.txt || die "no dictionary in $data; give a folder data-bin, as scripts/prepare.sh makes it"
some "$data"/train*.bin || die "no training data in $data; scripts/prepare.sh --train makes it"
for override in "$@"; do
    [[ $override == *=* ]] || die "$override: overrides are written key=value"
done
use_environment
mkdir -p -- "$run/checkpoints" || die "cannot make the folder $run"
run=$(cd -- "$run" && pwd)

only_one "$run/.lock" "scripts/train.sh on $run"
# A run that never got as far as a checkpoint may be tried again with other settings, and begins its log anew: what the
# last try came to is not this one's.
if ! some "$run"/checkpoints/*.pt; then
    rm -f -- "$run/train.settings" "$run/done" "$run/curve.tsv"
    [[ ! -e $run/train.log ]] || mv -- "$run/train.log" "$run/train.log.before"
fi
{
    echo "configuration $(checksum "$config")"
    echo "data $(checksum "$data"/dict.*txt "$data"/train.*bin)"
    for override in "$@"; do echo "override $override"; done
} | keep_settings "$run/train.settings" ||
    die "$run was trained with other settings; choose another folder (or remove $run/train.settings to go on with these)"

cp -- "$data"/dict.*txt "$run/"

# index_files: the unit indexes, from where the model will read them
index_files() {
    local named part parts
    named=$(printf '%s\n' "$@" | sed -n 's/^+*model\.see_index=//p' | tail -n 1)
    IFS=: read -r -a parts <<<"${named:-$data}"
    for part in "${parts[@]}"; do
        [[ -e $part ]] || part=$data/$part
        if [[ -d $part ]]; then cat -- "$part"/dict*.see; else cat -- "$part"; fi || return
    done
}
indexes=$(index_files "$@" 2>/dev/null | checksum -) || indexes=
if cmp -s -- "$run/done" "$run/train.settings"; then
    say "$run is trained already"
    [[ $(cat -- "$run/train.indexes" 2>/dev/null) == "$indexes" ]] ||
        say "  but with other unit indexes than it would have now; for a model of these choose another folder"
    exit 0
fi
echo "$indexes" >"$run/train.indexes"
# A torch that was not built for this GPU is told before the model is built.
if in_half_precision "$config" "$@"; then python -m experiments.check_gpu; fi

# A checkpoint is written whole, but checkpoint_last.pt is a copy that a kill may have cut short: take the newest whole
# one instead.
python - "$run/checkpoints" <<'PY'
import shutil, sys
from pathlib import Path
from zipfile import is_zipfile

last = Path(sys.argv[1]) / "checkpoint_last.pt"
if last.is_file() and not is_zipfile(last):
    whole = [path for path in last.parent.glob("checkpoint*.pt") if is_zipfile(path)]
    newest = max(whole, key=lambda path: path.stat().st_mtime, default=None)
    print(f"{last} is incomplete; going on from {newest.name if newest else 'the beginning'}", file=sys.stderr)
    last.unlink()
    if newest:
        shutil.copyfile(newest, last.with_suffix(".whole"))
        last.with_suffix(".whole").rename(last)
PY

# A key that the configuration has not may be given twice; hydra adds it once.
given=()
for override in "$@"; do
    [[ $override != +[^+]* ]] || override=+$override
    given+=("$override")
done

# The lines of fairseq that tell how it goes, cut to what a person follows.
progress() {
    local line name
    local number='[0-9.e+inf-]+'
    while IFS= read -r line; do
        if [[ $line =~ train_inner[^0-9]*\ epoch\ ([0-9]+):\ +([0-9]+)\ /\ ([0-9]+)\ .*ppl=($number),\ wps=($number) ]]; then
            printf '  epoch %d  %s/%s  perplexity %s  %s tokens/s\n' "$((10#${BASH_REMATCH[1]}))" \
                "${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}" "${BASH_REMATCH[4]}" "${BASH_REMATCH[5]}"
        # Of the start stage of a distillation, which computes no outputs.
        elif [[ $line =~ train_inner[^0-9]*\ epoch\ ([0-9]+):\ +([0-9]+)\ /\ ([0-9]+)\ loss=($number),.*\ wps=($number) ]]; then
            printf '  epoch %d  %s/%s  loss %s  %s tokens/s\n' "$((10#${BASH_REMATCH[1]}))" \
                "${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}" "${BASH_REMATCH[4]}" "${BASH_REMATCH[5]}"
        elif [[ $line =~ \]\[?valid\].*epoch\ ([0-9]+).*\ ppl\ ($number) ]]; then
            printf 'epoch %d: perplexity %s on the validation set\n' "$((10#${BASH_REMATCH[1]}))" "${BASH_REMATCH[2]}"
        elif [[ $line =~ (Loaded\ checkpoint\ .*|num\.\ shared\ model\ params:.*|(en|de)coder\ embedding:.*|distillation:.*|done\ training.*) ]]; then
            printf '%s\n' "${BASH_REMATCH[1]}"
        fi
    done
}

python -m experiments.report.provenance "$run/provenance.json"
say "training $run (everything it says: $run/train.log)"
status=0
exec 3> >(tee -a -- "$run/train.log" | progress)
reader=$!
# In the background, so that whoever ends this script ends the training, too.
python -u -m fairseq_cli.hydra_train --config-dir "$(dirname -- "$config")" --config-name "$(basename -- "$config" .yaml)" \
    "++common.user_dir=$(quoted_for_hydra "$root/fairseq_see")" ++common.log_format=simple \
    "task.data=$(quoted_for_hydra "$data")" "++checkpoint.save_dir=$(quoted_for_hydra "$run/checkpoints")" \
    "hydra.run.dir=$(quoted_for_hydra "$run")" ++hydra.job.chdir=false hydra.output_subdir=hydra \
    ${given[@]+"${given[@]}"} >&3 2>&1 3>&- &
trainer=$!
trap 'kill "$trainer" 2>/dev/null; exit 130' HUP INT TERM
exec 3>&-
wait "$trainer" || status=$?
wait "$reader"
if ((status)); then
    # A refusal is one line, of ours or of Hydra's about an override; anything else is a traceback.
    tail -n 12 -- "$run/train.log" | sed -nE '/^error: /p
        s/^Could not override (.*)\.$/error: the configuration has no \1; an option that it lacks is added by +KEY=VALUE/p
        s/^omegaconf\.errors\.[A-Za-z]+: /error: /p
        /^Error parsing override /{N; s/.*override .(.*).\n/error: an override cannot be read: \1: /p}
        s/^LexerNoViableAltException: /error: an override cannot be read: /p
        s/^(no viable alternative|(mismatched|extraneous) input|token recognition error)/error: an override cannot be read: &/p' |
        tail -n 1 | grep . >&2 ||
        tail -n 12 -- "$run/train.log" | cut -c1-500 >&2
    say "training ended with status $status; all it said is in $run/train.log"
    exit "$status"
fi
# The losses in the log, as a table.
python -c 'import sys; from pathlib import Path; from experiments.training_log import write_curve
write_curve(*map(Path, sys.argv[1:]))' "$run/train.log" "$run/curve.tsv"
cp -- "$run/train.settings" "$run/done.tmp"
mv -- "$run/done.tmp" "$run/done"
