# SPDX-License-Identifier: GPL-2.0-or-later
"""A server that sends without end once it is asked, and the client that checks every byte of it."""
import contextlib
import random
import socket
import threading
import time

from .client import SOCKET_KINDS, family_of
from .lab import wait_for

PATTERN = random.Random(1).randbytes(1 << 16)
BLOCK = 1024  # a datagram, or what is sent at a time


def block(number):
    start = number * BLOCK % len(PATTERN)
    return PATTERN[start:start + BLOCK]


class Source:
    """Listens on a host, and sends to each who connects, or who sends a datagram, a block every `pause_s`."""

    def __init__(self, host, port, protocol="tcp", address="0.0.0.0", pause_s=0.002):
        kind, number = SOCKET_KINDS[protocol]
        self._stream = protocol != "udp"
        self._pause_s = pause_s
        self._socket = host.socket(family_of(address), kind, number)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family_of(address) == socket.AF_INET6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self._socket.bind((address, port))
        self._socket.settimeout(0.1)
        self._ended = threading.Event()
        self.sending = 0  # to so many peers
        if self._stream:
            self._socket.listen(16)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        host.lab.resources.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """May be called again."""
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _run(self):
        peers = {}
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                if self._stream:
                    peer, _ = self._socket.accept()
                    peer.settimeout(5)
                    peers[peer] = threading.Thread(target=self._send, args=[peer.sendall, peer], daemon=True)
                else:
                    _, peer = self._socket.recvfrom(64)
                    if peer in peers:
                        continue
                    peers[peer] = threading.Thread(target=self._send, args=[
                        lambda data, peer=peer: self._socket.sendto(data, peer)], daemon=True)
                peers[peer].start()
        for thread in peers.values():
            thread.join()

    def _send(self, send, connection=None):
        number, self.sending = 0, self.sending + 1
        with connection or contextlib.nullcontext():
            while not self._ended.wait(self._pause_s):
                try:
                    send(block(number))
                except ConnectionRefusedError:
                    continue  # an ICMP error for an earlier datagram, perhaps to somebody else
                except OSError:
                    break
                number += 1
        self.sending -= 1


class Sink:
    """What a host receives from a Source. `error`: how it ended, None as long as it goes on."""

    def __init__(self, host, address, port, protocol="tcp", source_port=0):
        kind, number = SOCKET_KINDS[protocol]
        family = family_of(address)
        self._stream = protocol != "udp"
        self._socket = host.socket(family, kind, number)
        self._socket.settimeout(3)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if source_port:
            self._socket.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", source_port))
        self._socket.connect((address, port))
        self.source_port = self._socket.getsockname()[1]
        self.received, self.last, self.error, self.wrong = 0, 0.0, None, None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        if not self._stream:
            self._socket.send(b"go")
        self._thread.start()

    def __enter__(self):
        return self.goes_on()

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _run(self):
        self._socket.settimeout(0.1)
        while not self._ended.is_set():
            try:
                data = self._socket.recv(BLOCK if self._stream else 4096)
            except TimeoutError:
                continue
            except OSError as error:
                self.error = error
                return
            if not data:
                self.error = EOFError()
                return
            if self._stream and not self.wrong:
                start = self.received % len(PATTERN)
                if data != (PATTERN + PATTERN)[start:start + len(data)]:
                    self.wrong = f"at byte {self.received}"
            self.received += len(data)
            self.last = time.monotonic()

    def goes_on(self, blocks=20):
        """Waits until so much more has come; nothing of a stream may be missing."""
        enough = self.received + blocks * BLOCK
        wait_for(lambda: self.error or self.wrong or self.received >= enough, what="more of a stream")
        assert not self.error and not self.wrong, (self.error, self.wrong)
        return self

    @contextlib.contextmanager
    def sends(self, pause_s):
        """Sends something all the time as well."""
        enough = threading.Event()

        def run():
            while not enough.wait(pause_s):
                with contextlib.suppress(OSError):
                    self._socket.send(b"go")
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            enough.set()
            thread.join()

    def is_silent(self, seconds=0.6):
        """Waits until nothing has come for so long."""
        wait_for(lambda: time.monotonic() - self.last > seconds, 5 + seconds, "a stream to end")
        return True
