# shellcheck shell=bash disable=SC2154
# What is run and counted, started and ended.

# ---- what is run and counted

passed=0 failed=0
begun=$SECONDS

since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }

section() { printf '\n== %s (at %d s)\n' "$1" $((SECONDS - begun)); }

# check NAME COMMAND... counts one check; the output is shown if it failed.
check() {
    local name=$1 t=$EPOCHREALTIME
    shift
    if "$@" >"$work/check.out" 2>&1; then
        passed=$((passed + 1))
        printf 'ok    %s (%s s)\n' "$name" "$(since "$t")"
    else
        failed=$((failed + 1))
        printf 'FAIL  %s (%s s)\n' "$name" "$(since "$t")"
        tail -n 40 "$work/check.out" | cut -c 1-600 | sed 's/^/      | /'
        return 1
    fi
}

finish() {
    printf '\n%s passed, %s failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ]
    exit
}

# need NAME COMMAND... is a check without which the rest cannot run.
need() { check "$@" || finish; }

# ---- what is started and ended

pids=()
engine=

start() { # start NAME COMMAND...: in the background, output to .work/NAME.log
    local name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 </dev/null &
    pids+=($!)
}

end() { # end PID: asked to stop, then made to
    kill "$1" 2>/dev/null || return 0
    for _ in $(seq 50); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -9 "$1" 2>/dev/null
}

clean() {
    local containers
    trap - EXIT
    if [ -n "$engine" ]; then
        containers=$(docker ps -aq --filter "label=sam.cli.container.type=lambda" 2>/dev/null)
        for c in $containers; do
            case " $foreign " in *" $c "*) ;; *) docker rm -f "$c" >/dev/null 2>&1 ;; esac
        done
    fi
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do end "${pids[i]}"; done
    wait 2>/dev/null
}
trap clean EXIT
trap 'exit 130' INT TERM

until_ok() { # until_ok SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { echo "not within the time: $*"; return 1; }
        sleep 0.2
    done
}

again() { # again COMMAND...: up to three times
    "$@" || { sleep 3; "$@"; } || { sleep 10; "$@"; }
}

value() { # value FILE EXPRESSION: a Python expression of d, the JSON in the file
    python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"
}
