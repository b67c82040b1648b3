#!/usr/bin/env bash
# How camera-server's telemetry leaves it, as strace sees it: each item in one call of 16 bytes, on connections with
# TCP_NODELAY. Meanwhile a client reads as the original's does, with one read of 6 and one of 10 bytes for each item, and
# none may come short.
#
#   cargo build --release -p camera-programs && bash scripts/camera-writes.sh [SECONDS, default 60]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
server=${CAMERA_SERVER:-target/release/camera-server}
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*"; exit 1; }

# A file for each thread, so that no call is cut in two by another's.
strace -ff -qq -s 8 -e trace=accept4,setsockopt,write,writev,sendto,sendmsg,sendfile -o "$folder/trace" \
    "$server" --source none --data-port 0 --settings-port 0 --auth-port 0 --config-dir "$folder" \
    >"$folder/addresses" 2>"$folder/log" &
strace=$!
for _ in $(seq 300); do grep -q '(auth)' "$folder/addresses" 2>/dev/null && break; sleep 0.1; done
port=$(sed -n 's/.*:\([0-9]*\) (data)/\1/p' "$folder/addresses")
[ -n "$port" ] || fail "the server does not start: $(cat "$folder/log")"

for _ in $(seq 20); do cat <"/dev/tcp/127.0.0.1/$port" >/dev/null & done
exec 3<>"/dev/tcp/127.0.0.1/$port"
items=0 end=$((SECONDS + seconds))
while [ $SECONDS -lt $end ]; do
    header=$(dd bs=6 count=1 <&3 2>/dev/null | wc -c)
    payload=$(dd bs=10 count=1 <&3 2>/dev/null | wc -c)
    [ "$header" = 6 ] && [ "$payload" = 10 ] || fail "item $items came as $header and $payload bytes"
    items=$((items + 1))
done
exec 3>&-
kill "$(pgrep -P $strace)"
wait $strace || true

accepted=$(cat "$folder"/trace.* | grep -cE '^accept4\(.* = [0-9]+$' || true)
nodelay=$(cat "$folder"/trace.* | grep -cE '^setsockopt\([0-9]+, SOL_TCP, TCP_NODELAY, \[1\], 4\) = 0' || true)
whole=$(cat "$folder"/trace.* | grep -cE '^sendto\([0-9]+, "\\0\\377\\1\\0\\0\\t.*, 16, .* = 16$' || true)
# All else that was written to them; in the end some clients have gone.
fds=$(cat "$folder"/trace.* | sed -nE 's/^accept4\(.* = ([0-9]+)$/\1/p' | sort -u | paste -sd'|')
other=$(cat "$folder"/trace.* | grep -E "^(write|writev|sendto|sendmsg|sendfile)\(($fds)," |
    grep -vE '^sendto\([0-9]+, "\\0\\377\\1\\0\\0\\t.*, 16, .* = (16|-1 (EPIPE|ECONNRESET) .*)$' || true)
[ "$accepted" = 21 ] && [ "$nodelay" = 21 ] || fail "$accepted connections, $nodelay with TCP_NODELAY"
[ -z "$other" ] || fail "written otherwise: $(head -3 <<<"$other")"
[ "$whole" -ge "$items" ] || fail "$whole whole items written, $items read"
echo "$items items read in $seconds s without a short read; $whole items to 21 connections left in one call each;" \
    "all connections have TCP_NODELAY"
