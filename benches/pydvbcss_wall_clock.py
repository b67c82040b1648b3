#!/usr/bin/env python2.7
"""The wall clock server of the reference implementation (pydvbcss, Python 2), for `css-load wall-clock --server`.

Takes the arguments that css-load gives to a server, which are those of pydvbcss' own: an address and a port. Port 0 picks a
free one. PYTHONPATH tells where pydvbcss is.
"""
import logging
import socket
import sys
import time

from dvbcss.clock import CorrelatedClock, SysClock
from dvbcss.protocol.server.wc import WallClockServer

logging.disable(logging.CRITICAL)
address, port = sys.argv[1], int(sys.argv[2])
if port == 0:
    free = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    free.bind((address, 0))
    port = free.getsockname()[1]
    free.close()
clock = CorrelatedClock(SysClock(tickRate=1000000000), tickRate=1000000000)
WallClockServer(clock, None, None, address, port, False).start()
sys.stdout.write("listening on %s:%d (wc)\n" % (address, port))
sys.stdout.flush()
while True:
    time.sleep(3600)
