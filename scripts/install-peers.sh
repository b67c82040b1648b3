#!/usr/bin/env bash
# Installs the foreign programs that the interoperability tests talk to. Debian and its relatives.
set -euo pipefail
packages=(
    gcc libc6-dev # the C helper around libltc
    libltc-dev    # LTC, the field's reference
    ffmpeg        # readvitc, RTP and RTSP
    # RTP payloads and RTSP
    gstreamer1.0-tools gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
    gstreamer1.0-libav gstreamer1.0-rtsp gir1.2-gst-rtsp-server-1.0 python3-gi
    nats-server   # the engine of timecode clusters
    chromium      # the studio's page
    python3-venv  # the Python bindings
    python3-websockets # a plain WebSocket peer
    chrony faketime    # time for recording devices, and clocks that are wrong
    avahi-daemon avahi-utils python3-zeroconf # multicast DNS
)
# pydvbcss runs on Python 2.7 only: where somebody has one, its modules go beside what is built.
pydvbcss=$(dirname "$0")/../target/peers/pydvbcss
if PYENV_VERSION=2.7.18 python2.7 -m pip --version >/dev/null 2>&1 && [ ! -d "$pydvbcss" ]; then
    PYENV_VERSION=2.7.18 python2.7 -m pip install -q --target "$pydvbcss" \
        'cherrypy>=10,<=11' ws4py==0.4.2 six pydvbcss==0.5.2 2>/dev/null || echo "pydvbcss could not be installed"
fi
# The OpenAPI document's validator comes from PyPI, into an environment of its own.
openapi_validator() {
    local environment
    environment=$(dirname "$0")/../target/peers/openapi
    [ -x "$environment/bin/openapi-spec-validator" ] && return
    /usr/bin/python3 -m venv "$environment" && "$environment/bin/pip" install -q 'openapi-spec-validator==0.9.0'
}
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    openapi_validator
    echo "all peers are installed"
    exit 0
fi
sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo)
"${sudo[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "installed: ${missing[*]}"
openapi_validator
