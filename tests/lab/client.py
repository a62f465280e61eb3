# SPDX-License-Identifier: GPL-2.0-or-later
"""The asking side of server.py."""
import json
import socket
from dataclasses import dataclass

SOCKET_KINDS = {"tcp": (socket.SOCK_STREAM, 0), "udp": (socket.SOCK_DGRAM, 0),
                "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP)}


@dataclass(frozen=True)
class Answer:
    """What the server saw of the connection."""
    server: str           # name of the host that answered
    peer: str             # source address
    peer_port: int
    local: str            # destination address at the server
    local_port: int
    original: str         # destination before translation on the server's own host, as conntrack has it
    original_port: int
    source: str           # what the client used itself
    source_port: int


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Connection:
    def __init__(self, make_socket, protocol, address, port, source, source_port, timeout):
        kind, number = SOCKET_KINDS[protocol]
        family = family_of(address)
        self._stream = protocol != "udp"
        self._socket = make_socket(family, kind, number)
        try:
            self._socket.settimeout(timeout)
            if source or source_port:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._socket.bind((source or ("::" if family == socket.AF_INET6 else "0.0.0.0"), source_port))
            self._socket.connect((address, port))
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._socket.close()

    def ask(self, size=0):
        """Sends a question and returns the Answer to it, which is `size` bytes long on the wire at least."""
        self._socket.sendall(b"%d\n" % size)
        line = b""
        while not line.endswith(b"\n"):
            part = self._socket.recv(65536)
            if not part:
                raise ConnectionResetError("the server closed the connection")
            line += part
        source = self._socket.getsockname()
        return Answer(source=source[0], source_port=source[1], **json.loads(line))
