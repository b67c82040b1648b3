#!/usr/bin/env bash
# Multicast DNS between our recording programs, avahi and python-zeroconf, in both roles, on a pair of virtual network
# interfaces between two network namespaces. Needs root, iproute2, and avahi and zeroconf by scripts/install-peers.sh.
#
#   cargo build --bins && bash scripts/multicam-mdns.sh [target/debug]
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "${1:-target/debug}")
python=/usr/bin/python3
folder=$(mktemp -d)
one=mc-one-$$ two=mc-two-$$
jobs_of=()
finish() {
    for job in "${jobs_of[@]}"; do kill "$job" 2>/dev/null || true; done
    wait 2>/dev/null || true
    ip netns del $one 2>/dev/null || true
    ip netns del $two 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT

ip netns add $one
ip netns add $two
ip link add v-one netns $one type veth peer name v-two netns $two
for side in "one 10.99.0.1 $one" "two 10.99.0.2 $two"; do
    read -r name address space <<<"$side"
    ip -n "$space" addr add "$address/24" dev "v-$name"
    ip -n "$space" link set lo up
    ip -n "$space" link set "v-$name" up
    ip -n "$space" route add 224.0.0.0/4 dev "v-$name"
done
in_one() { ip netns exec $one "$@"; }
in_two() { ip netns exec $two "$@"; }
run() { # log, namespace, command...
    local log=$1 space=$2
    shift 2
    ip netns exec "$space" "$@" >"$folder/$log" 2>&1 </dev/null &
    jobs_of+=($!)
    last=$!
}
# Until the command succeeds, a minute at most.
until_true() { # what, command...
    local what=$1
    shift
    for _ in $(seq 240); do
        if "$@" >/dev/null 2>&1; then
            echo "ok: $what"
            return
        fi
        sleep 0.25
    done
    echo "FAILED: $what"
    for log in "$folder"/*; do [ -f "$log" ] && echo "== $log" && tail -n 20 "$log"; done
    exit 1
}

# avahi in the second, with a bus of its own
cat >"$folder/bus.conf" <<BUS
<busconfig><type>system</type><listen>unix:path=$folder/socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true"/><allow receive_type="method_call"/><allow receive_type="signal"/>
<allow receive_requested_reply="true"/></policy></busconfig>
BUS
printf '[server]\nhost-name=peer\nuse-ipv6=no\nallow-interfaces=v-two\nenable-dbus=yes\n' >"$folder/avahi.conf"
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$folder/socket
run bus $two dbus-daemon --nofork --config-file="$folder/bus.conf"
until_true "a bus for avahi" test -S "$folder/socket"
run avahi $two unshare -m sh -c \
    "mkdir -p /run/avahi-daemon && mount -t tmpfs none /run/avahi-daemon && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f '$folder/avahi.conf'"
until_true "avahi is up" in_two avahi-browse -at

device() { # namespace, name, options...
    local space=$1 name=$2
    shift 2
    run "$name" "$space" "$bin/multicam-device" --clock system --dir "$folder/dir-$name" --device-id "$name" "$@"
    until_true "$name listens" grep -q listening "$folder/$name"
}
avahi_sees() { in_two avahi-browse -rpt _multicam._tcp | grep -q "^=.*10.99.0.1;$1;.*deviceId=$2"; }
we_see() { in_one "$bin/multicam-controller" --json --wait 3 discover 2>/dev/null | grep -q "\"$1\".*\"ok\":true\|\"ok\":true.*\"$1\""; }
not() { ! "$@"; }

device $one Tiger-00000001 --port 8080
ours=$last
until_true "avahi finds our device, its port and its id" avahi_sees 8080 Tiger-00000001
# Python, which ends with its input
python_peer() { # log, arguments...
    local log=$1
    shift
    mkfifo "$folder/$log.in"
    ip netns exec $two "$python" tests/interop/zeroconf_peer.py "$@" >"$folder/$log" 2>&1 <"$folder/$log.in" &
    jobs_of+=($!)
    exec {hold}>"$folder/$log.in"
}
python_peer browse browse 10.99.0.2
until_true "zeroconf finds our device" grep -q "^here multiCam-Tiger-00000001.* 10.99.0.1:8080 Tiger-00000001" "$folder/browse"

ip -n $one link set v-one down
sleep 2
ip -n $one link set v-one up
ip -n $one route replace 224.0.0.0/4 dev v-one
device $one Tiger-00000002 --port 8081
until_true "after the interface was down avahi finds it" avahi_sees 8080 Tiger-00000001

kill -TERM "$ours"
until_true "zeroconf hears our goodbye" grep -q "^gone multiCam-Tiger-00000001" "$folder/browse"
until_true "avahi hears our goodbye" not avahi_sees 8080 Tiger-00000001

# The other way round: devices that say nothing of themselves, announced by the peers
device $two Silent-00000001 --port 8090 --no-mdns
run publish $two avahi-publish-service multiCam-Silent-00000001 _multicam._tcp 8090 deviceId=Silent-00000001
publisher=$last
until_true "we find what avahi announces, and it answers" we_see Silent-00000001
kill "$publisher"
until_true "we hear avahi's goodbye" not we_see Silent-00000001
device $two Silent-00000002 --port 8091 --no-mdns
python_peer register register 10.99.0.2 Silent-00000002 8091
until_true "we find what zeroconf announces, and it answers" we_see Silent-00000002
exec {hold}>&-
until_true "we hear zeroconf's goodbye" not we_see Silent-00000002
echo "all found each other"
