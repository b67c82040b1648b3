#!/usr/bin/env python3
"""Makes the captures of specification/captures: real players and our server on loopback. Needs root (AF_PACKET), ffmpeg.

usage: rtsp_captures.py FOLDER_OF_PROGRAMS        for example target/debug
"""
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "specification" / "captures"
LAB = ROOT / "tests" / "interop" / "rtsp_lab.py"


class Capture:
    """What passes on loopback, once each, of the ports that are wanted."""

    def __init__(self, name, wanted):
        self.name, self.wanted, self.packets = name, wanted, []
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
        self.socket.bind(("lo", 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self.socket.settimeout(0.2)
        self.running = True
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        while self.running:
            try:
                packet, address = self.socket.recvfrom(65536)
            except TimeoutError:
                continue
            # Loopback shows each packet going out and coming in.
            if address[2] != socket.PACKET_OUTGOING and packet[12:14] == b"\x08\x00" and self.wanted(packet):
                self.packets.append((time.time(), packet))

    def write(self):
        time.sleep(0.3)
        self.running = False
        self.thread.join()
        with open(OUT / self.name, "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            start = self.packets[0][0]
            for at, packet in self.packets:
                # Times from the start: who made it when is nobody's business.
                micros = int((at - start) * 1e6)
                file.write(struct.pack("<IIII", micros // 1000000, micros % 1000000, len(packet), len(packet)))
                file.write(packet)
        print(OUT / self.name, len(self.packets), "packets", (OUT / self.name).stat().st_size, "bytes")


def ports(packet):
    head = 14 + (packet[14] & 15) * 4
    return struct.unpack(">HH", packet[head:head + 4])


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *arguments], check=True)


def main():
    programs = pathlib.Path(sys.argv[1])
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        film = pathlib.Path(folder) / "film.mjpeg"
        # Small enough for one packet each: what the kernel cuts on its way out would stand in the capture uncut.
        ffmpeg("-f", "lavfi", "-i", "smptebars=s=96x64:r=10", "-frames:v", "12", "-c:v", "mjpeg", "-huffman", "default",
               "-pix_fmt", "yuvj420p", "-q:v", "12", "-f", "mjpeg", str(film))
        server = subprocess.Popen(
            [programs / "rtsp-server", "--port", "0", "--media-root", folder, "--fps", "10", "--allow-publish"],
            stdout=subprocess.PIPE, text=True)
        port = int(server.stdout.readline().split()[2].rsplit(":", 1)[1])
        udp = {int(line.split()[1].split(":")[1], 16) for line in open("/proc/net/udp").readlines()[1:]
               if line.split()[9] in inodes(server.pid)}
        try:
            url = f"rtsp://127.0.0.1:{port}/"
            ours = lambda packet: port in ports(packet) or bool(udp & set(ports(packet)))
            capture = Capture("rtsp-ffmpeg-plays-jpeg-udp.pcap", ours)
            ffmpeg("-rtsp_transport", "udp", "-i", url + "film.mjpeg", "-f", "null", "-")
            capture.write()
            capture = Capture("rtsp-ffmpeg-publishes-h264-tcp.pcap", ours)
            ffmpeg("-re", "-f", "lavfi", "-i", "testsrc2=s=96x64:r=10", "-frames:v", "12", "-c:v", "libx264",
                   "-profile:v", "baseline", "-pix_fmt", "yuv420p", "-tune", "zerolatency", "-g", "5",
                   "-f", "rtsp", "-rtsp_transport", "tcp", url + "live")
            capture.write()
            capture = Capture("rtsp-lab-a.pcap", ours)
            subprocess.run([sys.executable, LAB, "client", "A", "127.0.0.1", str(port), "film.mjpeg", "8"], check=True)
            capture.write()
        finally:
            server.terminate()
            server.wait()


def inodes(pid):
    """Inodes of a process's sockets."""
    found = set()
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        target = str(link.readlink())
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


main()
