"""Clients and a server of the classroom dialect, as strict and as careless as its public copies are.

    rtsp_lab.py client A|B|C|J HOST PORT FILE FRAMES     prints `frames N` after N pictures from SOI to EOI
    rtsp_lab.py server FILE                              prints `port N`, serves one client
"""
import socket
import sys
import threading
import time


def client(variant, host, port, name, frames):
    control = socket.create_connection((host, int(port)))
    control.settimeout(20)
    state = {"seq": 0, "session": 0}
    rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
    rtp.bind(("", 0))
    rtp.settimeout(20)
    rtp_port = rtp.getsockname()[1]
    lines = control.makefile("r", newline="\n") if variant == "J" else None

    def request(method):
        state["seq"] += 1
        n, session = state["seq"], state["session"]
        end = "\r\n" if variant == "J" else "\n"
        if variant == "C":
            text = f"SETUP {name}\n{n}\n RTSP/1.0 RTP/UDP {rtp_port}" if method == "SETUP" else f"{method} \n{n}"
        elif method == "SETUP":
            path = ".\\" + name if variant == "J" else name
            text = f"SETUP {path} RTSP/1.0{end}CSeq: {n}{end}Transport: RTP/UDP; client_port= {rtp_port}"
            text += end if variant == "J" else ""
        else:
            word = "SEeq" if variant == "B" else "CSeq"
            text = f"{method} {name} RTSP/1.0{end}{word}: {n}{end}Session: {session}"
            text += "\n" if variant == "J" or method == "TEARDOWN" and variant == "B" else ""
        control.send(text.encode())
        if variant == "J":
            # three lines a reply, read one after the other
            status, cseq, session_line = (lines.readline() for _ in range(3))
        else:
            reply = control.recv(1024).decode().split("\n")
            status, cseq, session_line = reply[0], reply[1], reply[2]
        code = int(status.split(" ")[1])
        assert int(cseq.split(" ")[1]) == n, cseq
        state["session"] = state["session"] or int(session_line.split(" ")[1])
        assert int(session_line.split(" ")[1]) == state["session"]
        return code

    code = request("SETUP")
    if code != 200:
        print("status", code)
        return
    assert request("PLAY") == 200
    size = 15000 if variant == "J" else 20480
    got, data, last = 0, b"", 0
    paused = False
    while got < int(frames):
        packet = rtp.recv(size)
        assert packet[0] >> 6 == 2 and packet[1] & 127 == 26 and packet[8:12] == b"\0\0\0\0"
        number, marker = packet[2] << 8 | packet[3], packet[1] >> 7
        if variant in "AJ" and number < last:
            continue
        last = number
        data += packet[12:]
        if not marker:
            continue
        if data[:2] == b"\xff\xd8" and data[-2:] == b"\xff\xd9":
            got += 1
        data = b""
        if got == int(frames) // 2 and not paused:
            paused = True
            assert request("PAUSE") == 200
            assert request("PLAY") == 200
    assert request("TEARDOWN") == 200
    print("frames", got)


def server(path):
    listener = socket.create_server(("127.0.0.1", 0))
    print("port", listener.getsockname()[1], flush=True)
    control, address = listener.accept()
    frames = []
    with open(path, "rb") as file:
        while head := file.read(5):
            frames.append(file.read(int(head)))
    session, target, running, number = 267478, None, threading.Event(), 0
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send():
        nonlocal number
        while running.wait() and number < len(frames):
            time.sleep(0.02)
            frame = frames[number]
            number += 1
            pieces = [frame[i:i + 1400] for i in range(0, len(frame), 1400)]
            for i, piece in enumerate(pieces):
                marker = 0x80 if i == len(pieces) - 1 else 0
                head = bytes([0x80, marker | 26]) + number.to_bytes(2, "big")
                head += (int(time.time()) & 0xFFFFFFFF).to_bytes(4, "big") + b"\0\0\0\0"
                sender.sendto(head + piece, (address[0], target))

    while data := control.recv(256):
        lines = data.decode().split("\n")
        method, name = lines[0].split(" ")[0], lines[0].split(" ")[1]
        cseq = lines[1].split(" ")[1]
        # sent before the rest is looked at, and without a line end
        control.send(f"RTSP/1.0 200 OK\nCSeq: {cseq}\nSession: {session}".encode())
        if method == "SETUP":
            target = int(lines[2].split(" ")[3])
            threading.Thread(target=send, daemon=True).start()
        elif method == "PLAY":
            running.set()
        elif method == "PAUSE":
            running.clear()
        elif method == "TEARDOWN":
            return


if sys.argv[1] == "client":
    client(*sys.argv[2:])
else:
    server(sys.argv[2])
