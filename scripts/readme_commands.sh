#!/usr/bin/env bash
# Runs the commands of README.md and docs/ that stand in ```console blocks, as they stand there.
#
# A line "$ command" is run from the checkout's root and has to succeed. A command that serves until it is stopped is
# marked in the line above its block with <!-- serves: TEXT -->: it has to print TEXT within ten minutes and to end
# cleanly on SIGINT. A block after <!-- not run: REASON --> is left out.
set -euo pipefail
cd "$(dirname "$0")/.."

run_server() { # command, text
    local log pid
    log=$(mktemp)
    setsid bash -c "exec $1" </dev/null >"$log" 2>&1 &
    pid=$!
    for _ in $(seq 6000); do
        grep -qF -- "$2" "$log" && break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    if ! grep -qF -- "$2" "$log"; then
        cat "$log"
        echo "FAILED: '$1' did not print '$2'"
        kill -9 -- "-$pid" 2>/dev/null || true
        return 1
    fi
    kill -INT -- "-$pid"
    if ! wait "$pid"; then
        cat "$log"
        echo "FAILED: '$1' did not end cleanly on SIGINT"
        return 1
    fi
}

run_page() { # file
    local line command ran=0 in_block=false serves="" skip=""
    while IFS= read -r line; do
        case "$line" in
            '<!-- serves: '*' -->') serves=${line#<!-- serves: }; serves=${serves% -->} ;;
            '<!-- not run: '*' -->') skip=${line#<!-- not run: }; skip=${skip% -->} ;;
            '```console') in_block=true ;;
            '```')
                if $in_block; then in_block=false; serves=""; skip=""; fi
                ;;
            '$ '*)
                $in_block || continue
                command=${line#\$ }
                if [ -n "$skip" ]; then
                    echo "-- not run ($skip): $command"
                    continue
                fi
                printf -- '-- %s (%ss)\n' "$command" "$SECONDS"
                if [ -n "$serves" ]; then
                    run_server "$command" "$serves"
                else
                    bash -euo pipefail -c "$command" </dev/null
                fi
                ran=$((ran + 1))
                ;;
        esac
    done <"$1"
    echo "$1: $ran commands ran as they stand"
    [ "$1" != README.md ] || [ "$ran" -ge 2 ] || { echo "FAILED: README.md has only $ran commands"; exit 1; }
}

for page in README.md docs/*.md; do
    run_page "$page"
done
