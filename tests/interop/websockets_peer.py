"""A plain WebSocket peer: `client HOST:PORT` of a television, or `server` that plays one. One JSON object a line."""
import asyncio
import json
import sys

import websockets
from websockets.exceptions import ConnectionClosed, InvalidHandshake

PTS = "urn:dvb:css:timeline:pts"


async def client(address):
    async with websockets.connect(f"ws://{address}/cii") as cii:
        print(await cii.recv(), flush=True)
    async with websockets.connect(f"ws://{address}/ts") as ts:
        await ts.send(json.dumps({"contentIdStem": "dvb://", "timelineSelector": PTS}))
        print(await ts.recv(), flush=True)
    try:
        await websockets.connect(f"ws://{address}/nowhere")
    except InvalidHandshake as refusal:
        # older releases keep the status itself
        status = refusal.response.status_code if hasattr(refusal, "response") else refusal.status_code
        print(json.dumps({"status": status}), flush=True)


async def television(ws):
    path = ws.request.path if hasattr(ws, "request") else ws.path
    try:
        if path == "/cii":
            state = {"protocolVersion": "1.1", "contentId": "dvb://1.2.3", "contentIdStatus": "final"}
            await ws.send(json.dumps(state))
            await ws.send(json.dumps({"presentationStatus": "okay"}))
        else:
            print(await ws.recv(), flush=True)
            await ws.send(json.dumps({"contentTime": "7", "wallClockTime": "9", "timelineSpeedMultiplier": 2}))
        await ws.wait_closed()
    except ConnectionClosed:
        pass


async def server():
    async with websockets.serve(television, "127.0.0.1", 0) as listening:
        print(json.dumps({"port": listening.sockets[0].getsockname()[1]}), flush=True)
        await asyncio.Future()


asyncio.run({"client": client, "server": server}[sys.argv[1]](*sys.argv[2:]))
