# Sourced by the other scripts: where the checkout and its environment are, and how to talk to the user.

unset CDPATH # with it, cd prints where it went
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
venv=${FAIRSEQ_SEE_VENV:-$root/.venv}

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 2
}

# The comment at the top of the calling script is its help; asked for (usage 0), it is what the script has to print.
usage() {
    local status=${1:-2}
    ((status == 0)) || exec >&2
    awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
    exit "$status"
}

# The environment of FAIRSEQ_SEE_VENV or .venv where there is one; otherwise whatever is on PATH.
# The code that runs is always this checkout's.
use_environment() {
    if [[ -x $venv/bin/python ]]; then
        venv=$(cd -- "$venv" && pwd)
        export PATH="$venv/bin:$PATH"
    elif [[ -n ${FAIRSEQ_SEE_VENV:-} ]]; then
        die "no environment in $venv (FAIRSEQ_SEE_VENV); run scripts/setup.sh"
    fi
    command -v fairseq-see >/dev/null || die "fairseq-see is not installed; run scripts/setup.sh"
    export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" PYTHONSAFEPATH=1
    # Threads that wait actively slow each other down many times over on a machine that is also doing something else.
    export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
    # glibc gives large blocks back at once, and every update asks for them anew: to touch fresh memory takes longer than to
    # compute what goes there. Kept, updates on a CPU are 1.6 times as fast, for a quarter more memory (docs/performance.md).
    export MALLOC_MMAP_MAX_=${MALLOC_MMAP_MAX_-0} MALLOC_TOP_PAD_=${MALLOC_TOP_PAD_-268435456}
    export MALLOC_TRIM_THRESHOLD_=${MALLOC_TRIM_THRESHOLD_-100000000000}
    export PYTHONIOENCODING=utf-8 PYTHONUTF8=1 # whatever the locale is
}

# absolute PATH: the path from /, without touching links; its folder need not exist
absolute() {
    case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s/%s\n' "$PWD" "$1" ;;
    esac
}

# quoted_for_sh WORD: as any sh reads it; what %q of bash writes is sometimes for bash alone
quoted_for_sh() {
    local quote="'\\''"
    printf "'%s'" "${1//\'/$quote}"
}

# quoted_for_hydra VALUE: one that hydra reads as it stands, whatever is in it
quoted_for_hydra() {
    local value=${1//\\/\\\\}
    printf "'%s'" "${value//\'/\\\'}"
}

# need_ratio OPTION VALUE: ends unless it is a number from 1 on
need_ratio() { [[ $2 =~ ^[1-9][0-9]*(\.[0-9]+)?$ ]] || die "$1 $2: not a number from 1 on"; }

# some FILE...: whether the first of them is there; a pattern that matches nothing is none
some() { [[ -e ${1:-} ]]; }

# checksum FILE...: one line that changes when a file does
checksum() { cat -- "$@" | sha256sum | cut -c1-16; }

# keep_settings FILE: standard input must be what FILE holds, if there is a FILE; then FILE holds it.
# Returns 1 and shows the difference if it is not.
keep_settings() {
    local wanted
    wanted=$(cat)
    if [[ -e $1 ]]; then
        [[ $wanted == "$(cat -- "$1")" ]] && return 0
        diff <(cat -- "$1") <(printf '%s\n' "$wanted") | sed -n 's/^</  before:/p; s/^>/  now:   /p' >&2
        return 1
    fi
    printf '%s\n' "$wanted" >"$1.tmp"
    mv -- "$1.tmp" "$1"
}

# only_one FILE WHAT: ends if another process holds FILE; holds it until this script and all it started have ended
only_one() {
    command -v flock >/dev/null || return 0
    exec 9>"$1"
    flock -n 9 || die "another $2 is at work; wait for it, or end it"
}

# claim FOLDER: makes it; ends if another process of this script has claimed it
claim() {
    mkdir -p -- "$1" || die "cannot make the folder $1"
    only_one "$1/.lock" "scripts/${0##*/} on $1"
}

# logged LOG COMMAND...: what it says goes to LOG; its end to the user, if it fails
logged() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 || {
        grep '^error: ' -- "$log" >&2 || tail -n 12 -- "$log" | cut -c1-500 >&2
        die "${*:1:3} failed; all it said is in $log"
    }
}

# in_half_precision CONFIG OVERRIDE...: whether training is to be in fp16
in_half_precision() {
    local config=$1 chosen
    shift
    chosen=$(printf '%s\n' "$@" | sed -n 's/^[+~]*common\.fp16=//p' | tail -n 1)
    [[ ${chosen:-$(sed -n 's/^ *fp16: *\([a-z]*\).*/\1/p' "$config")} == true ]]
}
