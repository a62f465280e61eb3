# SPDX-License-Identifier: GPL-2.0-or-later
"""Many questions at once: servers on many ports in one process, and probes that are all under way together.

    serve_many(lab.backend, [("192.168.0.2", "tcp", 80), ("192.168.0.2", "udp", 80)])
    results = ask_many(lab, [Probe("internet", "203.0.113.200", "192.0.2.1", 80, "tcp")])
"""
import ctypes
import errno
import itertools
import json
import os
import selectors
import signal
import socket
import time
from dataclasses import dataclass

from .client import SOCKET_KINDS, Answer, family_of
from .server import Server

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
QUIET_S = 0.25     # nothing was heard for so long: the rest is silence
# The kernel sends 1000 ICMP errors a second, all namespaces together, and not more than 50 at a time.
AT_ONCE, PAUSE_S = 20, 0.03
PATIENCE_S = 5.0   # for probes that must be answered or refused, on a machine that is busy
# Each probe has a port of its own for as long as the kernel may remember an earlier one.
SOURCE_PORTS = itertools.cycle(range(10000, 60000))


class Servers(Server):
    """Like Server, for a list of (address, protocol, port), in a process of its own: there may be thousands."""

    def __init__(self, host, places):
        self.name = host.name
        self._selector = selectors.DefaultSelector()
        with host.entered():
            for address, protocol, port in places:
                self._listen(address, protocol, port)
        self._pid = os.fork()
        if not self._pid:
            self._serve()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()

    def close(self):
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = None

    def _listen(self, address, protocol, port):
        kind, number = SOCKET_KINDS[protocol]
        listener = socket.socket(family_of(address), kind, number)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.setblocking(False)
        if protocol != "udp":
            listener.listen(64)
        self._selector.register(listener, selectors.EVENT_READ,
                                self._datagram if protocol == "udp" else self._accept)

    def _serve(self):
        """In the child; never returns."""
        try:
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            while True:
                for key, _ in self._selector.select():
                    key.data(key.fileobj)
        finally:
            os._exit(1)


def serve_many(host, places):
    """Servers on a host; they end with the lab at the latest."""
    servers = Servers(host, places)
    host.lab.resources.append(servers)
    return servers


@dataclass(frozen=True)
class Probe:
    host: str             # who asks
    source: str           # its address; "" for what the kernel chooses
    address: str
    port: int
    protocol: str

    def __str__(self):
        return f"{self.host} ({self.source or 'any address'}) asks {self.address} port {self.port}/{self.protocol}"


@dataclass
class Result:
    outcome: str = "silence"      # "answer", "refused", "silence", or the name of another error
    answer: Answer = None
    source_port: int = 0


class _Question:
    def __init__(self, probe):
        self.probe, self.result = probe, Result(source_port=next(SOURCE_PORTS))
        self.asked, self.line = False, b""
        family = family_of(probe.address)
        kind, number = SOCKET_KINDS[probe.protocol]
        self.socket = socket.socket(family, kind, number)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        anywhere = "::" if family == socket.AF_INET6 else "0.0.0.0"
        self.socket.bind((probe.source or anywhere, self.result.source_port))

    def begin(self):
        """False if it has ended already."""
        number = self.socket.connect_ex((self.probe.address, self.probe.port))
        if number in (0, errno.EINPROGRESS):
            return self.probe.protocol != "udp" or self.advance()
        return self._end(number)

    def advance(self):
        """Whether it is still under way."""
        try:
            if not self.asked:
                number = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if number:
                    return self._end(number)
                self.socket.send(b"0\n")
                self.asked = True
                return True
            part = self.socket.recv(65536)
            if not part:
                return self._end(errno.ECONNRESET)
            self.line += part
            if not self.line.endswith(b"\n"):
                return True
            source = self.socket.getsockname()
            self.result.outcome = "answer"
            self.result.answer = Answer(source=source[0], source_port=source[1], **json.loads(self.line))
            return False
        except BlockingIOError:
            return True
        except OSError as error:
            return self._end(error.errno)

    def _end(self, number):
        self.result.outcome = "refused" if number == errno.ECONNREFUSED else errno.errorcode[number]
        return False


def ask_many(lab, probes, must=None, patience_s=PATIENCE_S):
    """The Results of the probes, in their order. Waits for those that `must` names by their indexes."""
    questions = []
    selector = selectors.DefaultSelector()
    waited_for = set(must or ())
    left = set()
    try:
        for name, numbers in _by_host(probes).items():
            with lab[name].entered():
                for number in numbers:
                    questions.append((number, _Question(probes[number])))
                    left.add(number)
        datagrams = 0
        for number, question in questions:
            datagrams += question.probe.protocol == "udp"
            if datagrams == AT_ONCE:
                time.sleep(PAUSE_S)
                datagrams = 0
            if question.begin():
                event = selectors.EVENT_READ if question.asked else selectors.EVENT_WRITE
                selector.register(question.socket, event, (number, question))
            else:
                left.discard(number)
        begun = last = time.monotonic()
        while left:
            now = time.monotonic()
            if now - begun > patience_s or (not left & waited_for and now - last > QUIET_S):
                break
            for key, _ in selector.select(0.05):
                number, question = key.data
                last = now
                if not question.advance():
                    selector.unregister(question.socket)
                    left.discard(number)
                elif question.asked:
                    selector.modify(question.socket, selectors.EVENT_READ, key.data)
    finally:
        for _, question in questions:
            question.socket.close()
        selector.close()
    return [question.result for _, question in sorted(questions, key=lambda q: q[0])]


def _by_host(probes):
    hosts = {}
    for number, probe in enumerate(probes):
        hosts.setdefault(probe.host, []).append(number)
    return hosts
