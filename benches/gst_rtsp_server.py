#!/usr/bin/python3
"""Serves one file with GStreamer's RTSP server, to be measured beside ours.

usage: gst_rtsp_server.py FILE.mkv (h264|jpeg) (shared|own)

shared: one pipeline for all readers; own: each reader has its own, from the start of the file.
Prints `listening on 127.0.0.1:PORT (rtsp)`; the mount is /film.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def main():
    path, codec, sharing = sys.argv[1:]
    Gst.init(None)
    payloader = {"h264": "h264parse ! rtph264pay name=pay0 pt=96", "jpeg": "rtpjpegpay name=pay0 pt=26"}[codec]
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f'( filesrc location="{path}" ! matroskademux ! {payloader} )')
    factory.set_shared(sharing == "shared")
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    server.get_mount_points().add_factory("/film", factory)
    server.attach(None)
    print(f"listening on 127.0.0.1:{server.get_bound_port()} (rtsp)", flush=True)
    GLib.MainLoop().run()


main()
