# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests and the demo look at, in terms of packets."""
import contextlib
import select
import threading
import time
from dataclasses import dataclass

from .lab import wait_for

SILENCE_S = 1.0  # a client that has heard nothing for so long hangs; answers in a lab take milliseconds


class Hangs(Exception):
    """Neither an answer nor a refusal."""


def isps(lab):
    return sorted(name for name in lab.hosts if name.startswith("isp"))


def uplink_address(lab, isp):
    """The address of the router on the uplink to this ISP."""
    return lab.router.addresses(f"eth{int(isp[3:]) - 1}")[0]


def outcome(host, address, port, protocol="tcp", **options):
    """"answer", "refused" (also by an ICMP error) or "silence"."""
    try:
        host.ask(address, port, protocol, timeout=SILENCE_S, **options)
        return "answer"
    except TimeoutError:
        return "silence"
    except OSError:
        return "refused"


@dataclass
class Exchange:
    """An answer, and the ISPs at which something of the connection came in from the router."""
    answer: object
    replies: list


def ask_from_internet(lab, address, port, protocol="tcp", source=None):
    """Asks; sees by which uplinks the router's packets to the client left."""
    with contextlib.ExitStack() as stack:
        captures = {isp: stack.enter_context(lab[isp].capture("router")) for isp in isps(lab)}
        try:
            answer = lab.internet.ask(address, port, protocol, source=source)
        except TimeoutError:
            seen = "\n".join(f"at {isp}:\n{capture}" for isp, capture in captures.items())
            raise Hangs(f"no answer from {address}:{port}/{protocol}\n{seen}") from None
        return Exchange(answer, [isp for isp, capture in captures.items() if capture.packets(
            direction="in", protocol=protocol, dst=answer.source, dport=answer.source_port)])


def legs(outside, inside, client, client_port):
    """How the first packet of a connection and the first answer crossed the router: four lines of text,
    in the order of the way, from captures of its outer and inner device."""
    def line(capture, direction, **wanted):
        found = [p for p in capture.packets(direction=direction, **wanted)]
        return str(found[0]) if found else f"{direction} {capture.device}: nothing"
    return [line(outside, "in", src=client, sport=client_port), line(inside, "out", src=client, sport=client_port),
            line(inside, "in", dst=client, dport=client_port), line(outside, "out", dst=client, dport=client_port)]


class Stream:
    """New connections from a host to a server of ours, one after the other, until the block ends.
    `answers` has (when it began, when it was answered, peer address that the server saw)."""

    PATIENCE_S = 0.3

    def __init__(self, host, address, port, protocol):
        self._ask = lambda: host.ask(address, port, protocol, timeout=self.PATIENCE_S)
        self.answers = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        wait_for(lambda: len(self.answers) >= 3, what="a stream of answers")
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _run(self):
        while not self._end.is_set():
            begun = time.monotonic()
            try:
                peer = self._ask().peer
                self.answers.append((begun, time.monotonic(), peer))
            except OSError:
                select.select([], [], [], 0.01)  # no route or no answer just now

    def since(self, when):
        """Peers of the connections begun after `when`."""
        return [peer for begun, _, peer in list(self.answers) if begun >= when]

    def first(self, peer):
        """When the first connection with this peer was answered, or None."""
        return next((done for _, done, seen in list(self.answers) if seen == peer), None)


def change_address(router, device, old, new, gateway, metric):
    """What a PPPoE redial or a DHCP client does: the address goes, another comes, and its route."""
    router.run(["ip", "-batch", "-"], stdin=f"addr del {old} dev {device}\naddr add {new} dev {device}\n"
               f"route replace default via {gateway} dev {device} metric {metric}\n")
