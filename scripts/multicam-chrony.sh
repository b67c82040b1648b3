#!/usr/bin/env bash
# A device asks chrony for the time, on loopback, while chrony takes 2.7 ms for each answer. Both read this machine's clock,
# so whatever the device says of the offset is its error: 50 µs at most, and within the bound that it states. Beside it the
# formula of the original applications, which cannot tell that time from the network's. Needs chrony and gcc by
# scripts/install-peers.sh.
#
#   cargo build --release --bins && bash scripts/multicam-chrony.sh [target/release]
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "${1:-target/release}")
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$folder"' EXIT
port=${CHRONY_PORT:-11123}
gcc -shared -fPIC -o "$folder/slow.so" tests/interop/slow_recv.c -ldl
cat >"$folder/chrony.conf" <<CONF
port $port
bindaddress 127.0.0.1
allow 127.0.0.1
local stratum 5
cmdport 0
pidfile $folder/chronyd.pid
driftfile $folder/drift
CONF
chmod 755 "$folder"
LD_PRELOAD=$folder/slow.so chronyd -d -x -U -f "$folder/chrony.conf" >"$folder/chrony.log" 2>&1 &
"$bin/multicam-device" --host 127.0.0.1 --port 0 --no-mdns --clock ntp --ntp "127.0.0.1:$port" --dir "$folder/dir" \
    >"$folder/device" &
for _ in $(seq 100); do grep -q listening "$folder/device" && break; sleep 0.1; done
address=$(sed -n 's/^listening on \(.*\) (multicam)/\1/p' "$folder/device")
/usr/bin/python3 - "$address" "$port" <<'PYTHON'
import json, socket, struct, sys, time

host, port = sys.argv[1].rsplit(":", 1)


def clock():
    with socket.create_connection((host, int(port)), 10) as s:
        s.sendall(b'{"command": "DEVICE_STATUS", "timestamp": 1.5, "deviceId": "c"}')
        return json.loads(s.recv(65536))["clock"]


def original():
    """Offset as the original applications compute it, and by RFC 5905, in microseconds."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    t1 = time.time()
    s.sendto(b"\x1b" + 47 * b"\0", ("127.0.0.1", int(sys.argv[2])))
    reply = s.recv(48)
    t4 = time.time()
    t2, t3 = (struct.unpack("!II", reply[at : at + 8]) for at in (32, 40))
    t2, t3 = (a + b / 2**32 - 2208988800 for a, b in (t2, t3))
    return ((t3 - t4) + (t4 - t1) / 2) * 1e6, ((t2 - t1) + (t3 - t4)) / 2 * 1e6, (t3 - t2) * 1e6


worst = 0
for _ in range(300):
    time.sleep(0.1)
    c = clock()
    if c["source"] == "ntp":
        break
assert c["source"] == "ntp", c
time.sleep(3)
for _ in range(20):
    c = clock()
    worst = max(worst, abs(c["offset"]))
    assert abs(c["offset"]) <= c["error"], c
    time.sleep(0.5)
o, r, p = original()
print(f"chrony takes {p:.0f} us; the device is off by {worst * 1e6:.1f} us at most, bound {c['error'] * 1e6:.1f} us; "
      f"the original formula by {o:.0f} us")
assert worst <= 50e-6, worst
PYTHON
