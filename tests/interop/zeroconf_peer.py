"""python-zeroconf as a peer: registers a device until its input ends, or says which devices come and go."""

import socket
import sys

from zeroconf import ServiceBrowser, ServiceInfo, Zeroconf

TYPE = "_multicam._tcp.local."


class Listener:
    def add_service(self, zeroconf, kind, name):
        info = zeroconf.get_service_info(kind, name, 10000)
        if info is None:
            return
        addresses = ",".join(socket.inet_ntoa(a) for a in info.addresses if len(a) == 4)
        device = (info.properties.get(b"deviceId") or b"").decode()
        print(f"here {name} {addresses}:{info.port} {device}", flush=True)

    update_service = add_service

    def remove_service(self, zeroconf, kind, name):
        print(f"gone {name}", flush=True)


def main():
    role, interface, *rest = sys.argv[1:]
    zeroconf = Zeroconf(interfaces=[interface])
    if role == "browse":
        ServiceBrowser(zeroconf, TYPE, Listener())
    else:
        name, port = rest
        info = ServiceInfo(
            TYPE,
            f"multiCam-{name}.{TYPE}",
            int(port),
            addresses=[socket.inet_aton(interface)],
            properties={"deviceId": name},
            server=f"{name}.local.",
        )
        zeroconf.register_service(info)
        print("registered", flush=True)
    sys.stdin.read()
    # With goodbyes.
    zeroconf.unregister_all_services()
    zeroconf.close()


main()
