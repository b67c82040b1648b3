#!/usr/bin/python3
"""Measures rtsp-server beside GStreamer's server and a plain loop of sends (rtsp-floor), each with the same film, in turns.

    cargo build --release -p rtsp-programs -p benches
    python3 benches/rtsp_beside_gst.py [h264-udp] [jpeg-udp] [h264-tcp] [--rounds 4] [--seconds 8] [--poll MS] [--joined] [--bin target/release] [--json]

Needs what scripts/install-peers.sh installs. Each line of a round says the server's own processor time for a megabit that
was delivered, and whether all of it was: the least and most frames a second that a reader got, and lost packets. At the
end: the median of the rounds, and the median of the ratios within a round. With --json the last round as one JSON object,
for the report of this package; without GStreamer's server the two others alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FPS = 25
CASES = {
    # film, readers, transport
    "h264-udp": ("h264", 100, "udp"),
    "jpeg-udp": ("jpeg", 25, "udp"),
    # With 50 readers and more no run with GStreamer's server came to an end, with 20 some did.
    "h264-tcp": ("h264", 20, "tcp"),
}
ENCODE = {
    "h264": "-c:v libx264 -preset veryfast -profile:v baseline -pix_fmt yuv420p -g 25 -b:v 4M -maxrate 4M -bufsize 2M",
    "jpeg": "-c:v mjpeg -huffman default -pix_fmt yuvj420p -b:v 13.5M -maxrate 13.5M -bufsize 4M",
}
RAW = {
    "h264": ("film.h264", "-c copy -bsf:v h264_mp4toannexb -f h264"),
    "jpeg": ("film.mjpeg", "-c copy -f mjpeg"),
}


def ffmpeg(arguments, output):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments.split(" "), output], check=True)


def film(folder, codec, seconds):
    """The same film twice: as GStreamer reads it, and as we do, alone in a folder."""
    mkv, root = f"{folder}/{codec}.mkv", f"{folder}/{codec}"
    name, convert = RAW[codec]
    if os.path.exists(root):
        return mkv, root, name
    picture = f"testsrc2=s=1280x720:r={FPS},noise=alls=12:allf=t"
    # The first second is left out, in which the encoder has not found its rate.
    ffmpeg(f"-f lavfi -i {picture} -t {seconds + 1} {ENCODE[codec]}", f"{folder}/encoded.mkv")
    ffmpeg(f"-ss 1 -i {folder}/encoded.mkv -c copy", mkv)
    os.mkdir(root)
    ffmpeg(f"-i {mkv} {convert}", f"{root}/{name}")
    return mkv, root, name


def measure(options, entrant, film, codec, readers, transport):
    mkv, root, name = film
    command, path = {
        "genlock": ([options.server, "--loop"], name),
        "floor": ([f"{options.bin}/rtsp-floor"], name),
        "gst": (["/usr/bin/python3", f"{HERE}/gst_rtsp_server.py", mkv, codec, "shared"], "film"),
    }[entrant]
    if entrant != "gst":
        command += ["--port", "0", "--host", "127.0.0.1", "--fps", str(FPS), "--media-root", root]
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = next(line for line in server.stdout if line.startswith("listening on ")).split(" ")[2]
        load = [f"{options.bin}/rtsp-load", f"rtsp://{address}/{path}", "--pid", str(server.pid)]
        load += ["--readers", str(readers), "--transport", transport, "--seconds", str(options.seconds)]
        load += ["--poll", str(options.poll)] if options.poll else []
        load += ["--joined"] if options.joined else []
        load += ["--json"]
        limit = options.seconds + 30
        done = subprocess.run(load, check=True, stdout=subprocess.PIPE, text=True, timeout=limit)
        result = json.loads(done.stdout)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        if entrant != "gst":
            raise
        say(options, f"{entrant}: no result, {error}")
        return None
    finally:
        server.kill()
        server.wait()
    say(
        options,
        f"{entrant:8} {result['cpu_us_per_mbit']:7.1f} us/Mbit  {result['mbit_per_second'] / readers:5.2f} Mbit/s each, "
        f"{result['fps_min']:.2f} to {result['fps_max']:.2f} frames/s, {result['lost']} lost",
    )
    return result


def say(options, line):
    print(line, file=sys.stderr if options.json else sys.stdout, flush=True)


def has_gst():
    found = "import gi; gi.require_version('GstRtspServer', '1.0')"
    return subprocess.run(["/usr/bin/python3", "-c", found], stderr=subprocess.DEVNULL).returncode == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", default=list(CASES), metavar="|".join(CASES))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--poll", type=float, help="as for rtsp-load: readers that look every so many ms")
    parser.add_argument("--joined", action="store_true", help="as for rtsp-load: readers that take whole what left in one call")
    parser.add_argument("--films", help="a folder that keeps the films for the next time")
    parser.add_argument("--bin", default="target/release")
    parser.add_argument("--server", help="instead of rtsp-server of that folder")
    parser.add_argument("--json", action="store_true", help="the last round as one JSON object")
    options = parser.parse_args()
    options.server = options.server or f"{options.bin}/rtsp-server"
    entrants = ["genlock", "floor"] + (["gst"] if has_gst() else [])
    with tempfile.TemporaryDirectory() as own:
        folder = options.films or own
        os.makedirs(folder, exist_ok=True)
        films = {}
        for case in options.cases:
            codec, readers, transport = CASES[case]
            if codec not in films:
                # GStreamer's ends with the film, and the readers begin one after the other.
                films[codec] = film(folder, codec, int(options.seconds) + 25)
            rounds = []
            for n in range(options.rounds):
                say(options, f"-- {case}, {readers} readers, round {n + 1}, load {os.getloadavg()[0]:.1f}")
                turn = {e: measure(options, e, films[codec], codec, readers, transport) for e in entrants}
                turn = {e: result for e, result in turn.items() if result}
                rounds.append({e: result["cpu_us_per_mbit"] for e, result in turn.items()})
            said, ratios = [], []
            for e in entrants:
                ended = [r for r in rounds if e in r]
                said.append(f"{e} {statistics.median(r[e] for r in ended):.0f}" if ended else f"{e} never ended")
                if ended and e != "genlock":
                    ratios.append(f"{statistics.median(r['genlock'] / r[e] for r in ended):.2f} of {e}")
            say(options, f"== {case}: us/Mbit {', '.join(said)}; genlock is {', '.join(ratios)}")
    if options.json:
        prefix = {"genlock": "", "floor": "floor_", "gst": "gst_"}
        print(json.dumps({prefix[e] + key: value for e, result in turn.items() for key, value in result.items()}))


main()
