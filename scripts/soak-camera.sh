#!/usr/bin/env bash
# camera-server publishes ffmpeg's test picture for a while; ffmpeg receives it as an RTSP server would. Fails if the video
# stands still for five seconds or frames are missing. Meanwhile a client reads telemetry as the original's does, with one
# read of 6 and one of 10 bytes for each item, and fails if one comes short.
#
#   cargo build --release -p camera-programs && bash scripts/soak-camera.sh [SECONDS, default 600]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}
server=${CAMERA_SERVER:-target/release/camera-server}
url=rtsp://127.0.0.1:${SOAK_PORT:-18554}/ES_MTX
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT

ffmpeg -nostdin -loglevel error -rtsp_flags listen -i "$url" -c copy -f null -progress "$folder/progress" - &
receiver=$!
"$server" --source lavfi --rtsp-url "$url" --data-port 0 --settings-port 0 --auth-port 0 --config-dir "$folder" \
    >"$folder/addresses" 2>"$folder/log" &
frames() { grep -a '^frame=' "$folder/progress" 2>/dev/null | tail -1 | tr -dc 0-9 || true; }
resident() { awk '/VmRSS/ { print $2 }' "/proc/$1/status"; }
process=$!
for _ in $(seq 300); do [ -n "$(frames)" ] && break; sleep 0.1; done
[ -n "$(frames)" ] || { echo "FAILED: no video"; cat "$folder/log"; exit 1; }

port=$(sed -n 's/.*:\([0-9]*\) (data)/\1/p' "$folder/addresses")
(
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    items=0
    while :; do
        header=$(dd bs=6 count=1 <&3 2>/dev/null | wc -c)
        payload=$(dd bs=10 count=1 <&3 2>/dev/null | wc -c)
        if [ "$header" != 6 ] || [ "$payload" != 10 ]; then
            echo "item $items: $header and $payload bytes" >"$folder/short"
            exit
        fi
        items=$((items + 1))
        echo $items >"$folder/items"
    done
) &

first=$(frames) before=$first memory=$(resident $process) start=$SECONDS
while [ $((SECONDS - start)) -lt "$seconds" ]; do
    sleep 5
    now=$(frames)
    [ "$now" -gt "$before" ] || { echo "FAILED: the video stands still after $((SECONDS - start)) s"; tail -5 "$folder/log"; exit 1; }
    before=$now
    kill -0 $receiver || { echo "FAILED: the receiver has ended"; exit 1; }
done
took=$((SECONDS - start)) came=$((before - first))
[ ! -e "$folder/short" ] || { echo "FAILED: a short read: $(cat "$folder/short")"; exit 1; }
[ "$came" -ge $((took * 24 * 95 / 100)) ] || { echo "FAILED: $came frames in $took s"; exit 1; }
echo "$took s: $came frames of video without a stall, $(cat "$folder/items") items of telemetry without a short read;" \
    "camera-server went from $memory to $(resident $process) KiB"
