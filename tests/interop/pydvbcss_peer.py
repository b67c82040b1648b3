"""The reference implementation (pydvbcss 0.5.2, Python 2) in each of its roles; one JSON object a line.

    pydvbcss_peer.py tv HTTP_PORT WC_PORT [followup]
    pydvbcss_peer.py wc-client HOST PORT
    pydvbcss_peer.py cii-client URL
    pydvbcss_peer.py ts-client URL SELECTOR TICKRATE WC_HOST WC_PORT
"""
import json
import logging
import sys
import time

from ws4py.client import WebSocketBaseClient
from dvbcss.clock import CorrelatedClock, Correlation, SysClock

logging.disable(logging.CRITICAL)


def connect_in_order(self):
    """ws4py 0.4 starts the thread that reads before it has taken in what came with the end of the handshake. Two threads
    then feed one parser, which ends with an exception now and then: here one in ten connections to a server that speaks
    at once. The reading waits here until that is done."""
    begin, self.handshake_ok = self.handshake_ok, lambda: None
    connect(self)
    begin()


connect = WebSocketBaseClient.connect
WebSocketBaseClient.connect = connect_in_order


def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def wall_clock():
    system = SysClock(tickRate=1000000000)
    return system, CorrelatedClock(system, tickRate=1000000000)


def follow(host, port, wall):
    from dvbcss.protocol.client.wc import WallClockClient
    from dvbcss.protocol.client.wc.algorithm import LowestDispersionCandidate

    algorithm = LowestDispersionCandidate(wall, repeatSecs=0.2, timeoutSecs=0.2)
    client = WallClockClient(("127.0.0.1", 0), (host, int(port)), wall, algorithm)
    client.start()
    return algorithm


def tv(http_port, wc_port, followup=""):
    import cherrypy
    from ws4py.server.cherrypyserver import WebSocketPlugin
    from dvbcss.protocol.cii import TimelineOption
    from dvbcss.protocol.server.cii import CIIServer
    from dvbcss.protocol.server.ts import SimpleClockTimelineSource, TSServer
    from dvbcss.protocol.server.wc import WallClockServer

    _, wall = wall_clock()
    wc = WallClockServer(wall, None, None, "127.0.0.1", int(wc_port), followup == "followup")
    wc.start()
    WebSocketPlugin(cherrypy.engine).subscribe()
    cii = CIIServer(maxConnectionsAllowed=5)
    content = "dvb://233a.1004.1044"
    ts = TSServer(contentId=content, wallClock=wall, maxConnectionsAllowed=10)
    pts = CorrelatedClock(wall, tickRate=90000)
    pts.correlation = Correlation(wall.ticks, 0)
    selector = "urn:dvb:css:timeline:pts"
    ts.attachTimelineSource(SimpleClockTimelineSource(selector, wall, pts))

    class Root(object):
        @cherrypy.expose
        def cii(self):
            pass

        @cherrypy.expose
        def ts(self):
            pass

    config = {
        "/cii": {"tools.dvb_cii.on": True, "tools.dvb_cii.handler_cls": cii.handler},
        "/ts": {"tools.dvb_ts.on": True, "tools.dvb_ts.handler_cls": ts.handler},
    }
    cherrypy.tree.mount(Root(), "/", config=config)
    cherrypy.config.update(
        {"server.socket_host": "127.0.0.1", "server.socket_port": int(http_port), "log.screen": False}
    )
    cherrypy.engine.autoreload.unsubscribe()
    cherrypy.engine.start()
    cii.cii.protocolVersion = "1.1"
    cii.cii.contentId = content
    cii.cii.contentIdStatus = "final"
    cii.cii.presentationStatus = ["okay"]
    cii.cii.timelines = [TimelineOption(selector, 1, 90000)]
    cii.updateClients()
    say(ready=True)
    n = 0
    while True:
        time.sleep(1)
        n += 1
        cii.cii.contentId = "%s;%d" % (content, n)
        cii.updateClients(sendOnlyDiff=True)
        pts.speed = [0.0, 1.0][n % 2]
        ts.updateAllClients()


def wc_client(host, port):
    system, wall = wall_clock()
    algorithm = follow(host, port, wall)
    while True:
        time.sleep(0.1)
        dispersion = algorithm.getCurrentDispersion()
        if dispersion < float("inf"):
            # both at one instant: between two readings of clocks a busy machine may do something else
            now = system.ticks
            say(offset_ns=int(wall.fromParentTicks(now) - now), dispersion_ns=int(dispersion))


def cii_client(url):
    from dvbcss.protocol.client.cii import CIIClient

    client = CIIClient(url)
    client.onConnected = lambda: say(connected=True)
    client.onChange = lambda names: say(
        changed=sorted(names),
        contentId=client.cii.contentId,
        presentationStatus=client.cii.presentationStatus,
        wcUrl=str(client.cii.wcUrl),
        timelines=[t.timelineSelector for t in client.cii.timelines or []],
    )
    client.onProtocolError = lambda message: say(error=str(message))
    client.connect()
    time.sleep(60)


def ts_client(url, selector, rate, host, port):
    from dvbcss.protocol.client.ts import TSClientClockController

    system, wall = wall_clock()
    follow(host, port, wall)
    timeline = CorrelatedClock(wall, tickRate=int(rate))
    client = TSClientClockController(url, "dvb://", selector, timeline, correlationChangeThresholdSecs=0.001)
    client.onProtocolError = lambda message: say(error=str(message))
    client.connect()
    while True:
        time.sleep(0.1)
        if timeline.isAvailable() and wall.dispersionAtTime(wall.ticks) < 0.1:
            say(ticks=float(timeline.ticks), speed=float(timeline.speed), system_ns=int(system.ticks))


{"tv": tv, "wc-client": wc_client, "cii-client": cii_client, "ts-client": ts_client}[sys.argv[1]](*sys.argv[2:])
