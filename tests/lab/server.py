# SPDX-License-Identifier: GPL-2.0-or-later
"""A TCP or UDP server whose answer is what it sees of the peer.

One JSON object on a line: server, peer, peer_port, local, local_port,
original, original_port (SO_ORIGINAL_DST). A question is the number of bytes
that the answer shall have at least. Runs in a thread of its own.
"""
import json
import selectors
import socket
import struct
import threading
import time

from .client import SOCKET_KINDS, family_of

SO_ORIGINAL_DST = 80
SOL_IP6 = 41
ANSWER_S = 5  # for the whole of an answer to leave


class Server:
    """`make_socket(family, kind, protocol)` decides in which namespace."""

    think_s = 0  # before each answer to a datagram

    def __init__(self, make_socket, name, protocol, address, port, think_s=0):
        self.name = name
        self.think_s = think_s
        kind, number = SOCKET_KINDS[protocol]
        self._stream = protocol != "udp"
        self._listener = make_socket(family_of(address), kind, number)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self.port = self._listener.getsockname()[1]
        if self._stream:
            self._listener.listen(256)
        self._listener.setblocking(False)
        self._stop, self._stopped = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stopped, selectors.EVENT_READ, None)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept if self._stream else self._datagram)
        self._thread = threading.Thread(target=self._run, name=f"server {name}:{port}", daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """May be called again."""
        if self._thread.is_alive():
            self._stop.close()
            self._thread.join()

    def _run(self):
        running = True
        while running:
            for key, _ in self._selector.select():
                if key.data is None:
                    running = False
                else:
                    key.data(key.fileobj)
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()

    def _accept(self, listener):
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        peer.setblocking(False)
        self._selector.register(peer, selectors.EVENT_READ, self._stream_data)

    def _stream_data(self, peer):
        try:
            question = peer.recv(4096)
            if question:
                peer.settimeout(ANSWER_S)
                peer.sendall(self._answer(peer, peer.getpeername(), question))
                peer.setblocking(False)
                return
        except OSError:
            pass
        self._selector.unregister(peer)
        peer.close()

    def _datagram(self, listener):
        try:
            question, address = listener.recvfrom(4096)
            time.sleep(self.think_s)
            listener.sendto(self._answer(listener, address, question), address)
        except OSError:
            pass  # such as an ICMP error for an earlier answer

    def _answer(self, connection, peer, question):
        local = connection.getsockname()
        original = self._original(connection) or local
        answer = json.dumps({"server": self.name, "peer": peer[0], "peer_port": peer[1],
                             "local": local[0], "local_port": local[1],
                             "original": original[0], "original_port": original[1]})
        size = int(question) if question.strip().isdigit() else 0
        return answer.ljust(size).encode() + b"\n"

    def _original(self, connection):
        try:
            if connection.family == socket.AF_INET:
                data = connection.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
                return socket.inet_ntop(socket.AF_INET, data[4:8]), struct.unpack_from("!H", data, 2)[0]
            data = connection.getsockopt(SOL_IP6, SO_ORIGINAL_DST, 28)
            return socket.inet_ntop(socket.AF_INET6, data[8:24]), struct.unpack_from("!H", data, 2)[0]
        except OSError:
            return None
