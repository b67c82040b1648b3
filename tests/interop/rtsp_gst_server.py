"""gst-rtsp-server with a few streams; prints `port N`. With an argument, `basic` or `digest`: u and p are wanted."""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service("0")
source = "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1"
streams = {
    "/420": f"( {source},format=I420 ! jpegenc quality=85 ! rtpjpegpay name=pay0 pt=26 )",
    "/422": f"( {source},format=Y42B ! jpegenc quality=85 ! rtpjpegpay name=pay0 pt=26 )",
    "/h264": f"( {source},format=I420 ! x264enc tune=zerolatency key-int-max=10 bframes=0 ! "
    "video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96 config-interval=1 )",
}
for path, launch in streams.items():
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch)
    factory.set_shared(True)
    server.get_mount_points().add_factory(path, factory)
    if len(sys.argv) > 1:
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("user", "media.factory.access", True)
        permissions.add_permission_for_role("user", "media.factory.construct", True)
        factory.set_permissions(permissions)
if len(sys.argv) > 1:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if sys.argv[1] == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest("u", "p", token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic("u", "p"), token)
    server.set_auth(auth)
server.attach(None)
print("port", server.get_bound_port(), flush=True)
GLib.MainLoop().run()
