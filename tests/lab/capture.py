# SPDX-License-Identifier: GPL-2.0-or-later
"""What passes a device: an AF_PACKET socket, read when somebody asks.

The kernel keeps the packets until then, so nothing is missed and nothing has
to be waited for at the start. Checksums are not looked at: on veth they are
not computed before a packet leaves the machine.
"""
import select
import socket
import struct
import time
from dataclasses import dataclass

ETH_P_ALL = 0x0003
ETH_P_IP = 0x0800
ETH_P_IPV6 = 0x86DD
SO_RCVBUFFORCE = 33
BUFFER_BYTES = 16 << 20
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}
FLAGS = (("F", 0x01), ("S", 0x02), ("R", 0x04), ("A", 0x10))


@dataclass(frozen=True)
class Packet:
    device: str
    direction: str        # "in" or "out", as the device's own host sees it
    protocol: str
    src: str
    dst: str
    sport: int = 0        # for ICMP: its type
    dport: int = 0        # for ICMP: its code
    flags: str = ""       # of TCP: "S", "SA", "R", "RA", "A", "FA"

    def __str__(self):
        return (f"{self.direction} {self.device}: {self.protocol} {self.src}:{self.sport} > "
                f"{self.dst}:{self.dport} {self.flags}").strip()


class Capture:
    def __init__(self, host, device):
        self.device = device
        self.host = host
        self._seen = []
        self._socket = host.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        with host.entered():  # binding looks the device up
            self._socket.bind((device, ETH_P_ALL))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._socket.close()

    def clear(self):
        """Forgets what it has seen: to use it again is far cheaper than to open another."""
        self._read()
        self._seen.clear()

    def packets(self, **wanted):
        """All packets so far that have these fields."""
        if self._socket.fileno() >= 0:
            self._read()
        return [p for p in self._seen if all(getattr(p, k) == v for k, v in wanted.items())]

    def wait(self, count=1, timeout=3.0, **wanted):
        """The first `count` packets that have these fields, when they are there."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.packets(**wanted)
            if len(found) >= count:
                return found[:count]
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{self.host}: not {count} of {wanted} on {self.device} within {timeout} s; "
                                   f"seen:\n{self}")
            select.select([self._socket], [], [], left)

    def __str__(self):
        return "\n".join(str(p) for p in self.packets()) or "(nothing)"

    def _read(self):
        while True:
            try:
                data, address = self._socket.recvfrom(256)
            except BlockingIOError:
                return
            packet = parse(data, address[1], self.device, "out" if address[2] == socket.PACKET_OUTGOING else "in")
            if packet:
                self._seen.append(packet)


def parse(data, ethertype, device, direction):
    """A Packet, or None for what is not IP."""
    if ethertype == ETH_P_IP and len(data) >= 20:
        header = (data[0] & 0x0F) * 4
        number = data[9]
        src, dst = socket.inet_ntop(socket.AF_INET, data[12:16]), socket.inet_ntop(socket.AF_INET, data[16:20])
    elif ethertype == ETH_P_IPV6 and len(data) >= 40:
        header, number = 40, data[6]
        src, dst = socket.inet_ntop(socket.AF_INET6, data[8:24]), socket.inet_ntop(socket.AF_INET6, data[24:40])
    else:
        return None
    protocol = PROTOCOLS.get(number, str(number))
    sport = dport = 0
    flags = ""
    if protocol in ("tcp", "udp", "sctp") and len(data) >= header + 4:
        sport, dport = struct.unpack_from("!HH", data, header)
    elif protocol in ("icmp", "icmpv6") and len(data) >= header + 2:
        sport, dport = data[header], data[header + 1]
    if protocol == "tcp" and len(data) >= header + 14:
        flags = "".join(letter for letter, bit in FLAGS if data[header + 13] & bit)
    return Packet(device, direction, protocol, src, dst, sport, dport, flags)
