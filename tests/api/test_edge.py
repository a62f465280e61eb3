# SPDX-License-Identifier: GPL-2.0-or-later
"""The edge: TLS by the book and against it, the processes and their rights.

Most tests run it without porticod (edge_driver.c, with sanitizers, on the loopback
device), the last ones with it. CFLAGS and LDFLAGS choose another mbedTLS.
"""
import contextlib
import http.client
import os
import pathlib
import pwd
import random
import re
import shlex
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

import pytest

from lab.lab import wait_for
from lab.porticod import COMPLAINTS, TREE, environment

DRIVER = pathlib.Path(__file__).with_name("edge_driver.c")
FLAGS = shlex.split("-std=gnu11 -D_GNU_SOURCE -Wall -Wextra -O1 -g -fsanitize=address,undefined "
                    "-fno-sanitize-recover=all -fno-omit-frame-pointer")
LIBRARIES = shlex.split("-lmbedtls -lmbedx509 -lmbedcrypto -lcap -pthread")
HANDSHAKE_S = 10
CLIENT_MAX = 16
TOTAL_MAX = 64
MIB = 1 << 20


def content(length):
    """What /bytes answers."""
    return bytes((at * 31 + (at >> 8)) & 0xff for at in range(length))


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    program = tmp_path_factory.mktemp("edge") / "edge_driver"
    sources = [DRIVER, *(TREE / "daemon/edge").glob("*.c"),
               *(TREE / "daemon/base" / f"{name}.c" for name in
                 ("buf", "crypto", "err", "ip", "log", "loop", "privilege"))]
    subprocess.run([os.environ.get("CC", "cc"), *FLAGS, f"-I{TREE}/daemon",
                    *shlex.split(os.environ.get("CFLAGS", "")), "-o", program, *sources,
                    *shlex.split(os.environ.get("LDFLAGS", "")), *LIBRARIES], check=True)
    return program


class Edge:
    """The driver, its children and what it says."""

    def __init__(self, program, directory, listen=("[::]:0",), wait=False, user=None):
        self.directory = directory
        self.log_path = directory / "log"
        more = {"EDGE_DRIVER_WAIT": "1"} if wait else {}
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen([program, directory, *listen], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, text=True,
                                            env=environment(**more), start_new_session=True,
                                            user=user, group=user and pwd.getpwnam(user).pw_gid,
                                            extra_groups=user and [])
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()
        self.newest = self.said(r"newest (.*)")[0]
        self.ports = [int(port) for port in self.said(r"ports (.*)")[0].split()]
        self.port = self.ports[0]

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def said(self, pattern, count=1, within=15):
        """Waits for `count` lines of that form; their groups."""
        def found():
            groups = [match[1] if match.re.groups else match[0]
                      for match in map(re.compile(pattern).fullmatch, list(self.lines)) if match]
            return groups if len(groups) >= count else None
        return wait_for(found, within, f"{count} lines {pattern} from the driver, not {self.lines}")

    def log(self):
        return self.log_path.read_text(errors="replace")

    @property
    def keeper(self):
        return wait_for(lambda: children(self.process.pid), 5, "a keeper")[0]

    @property
    def worker(self):
        """One that serves: it has got as far as its name."""
        def named():
            return [pid for pid in children(self.keeper) if name(pid) == "portico-edge"]
        return wait_for(named, 5, "a worker")[0]

    def stop(self):
        pids = [self.keeper, self.worker]
        self.process.terminate()
        assert self.process.wait(15) == 0, self.log()
        assert not any(map(alive, pids))
        assert not COMPLAINTS.search(self.log()), self.log()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def request(self, method, path, body=None, **options):
        with closing(self.connect(**options)) as connection:
            return ask(connection, method, path, body)

    def connect(self, source=None, address="127.0.0.1", context=None):
        """An HTTPS connection with its handshake done."""
        connection = http.client.HTTPSConnection(address, self.port, timeout=20, context=context or client(),
                                                 source_address=source and (source, 0))
        connection.connect()
        return connection

    def raw(self, source=None):
        """A TCP connection."""
        return socket.create_connection(("127.0.0.1", self.port), 20, source and (source, 0))


def client(newest=None, oldest=None):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    if newest:
        context.maximum_version = newest
    if oldest:
        context.minimum_version = oldest
    return context


def ask(connection, method, path, body=None):
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.status, answer.read()


closing = contextlib.closing


def children(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def status(pid):
    """/proc/PID/status as a dict."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def name(pid):
    try:
        return status(pid)["Name"]
    except (FileNotFoundError, ProcessLookupError):
        return None


def alive(pid):
    try:
        return not status(pid)["State"].startswith(("Z", "X"))
    except (FileNotFoundError, ProcessLookupError):
        return False


def ended(sock, within):
    """Seconds until the other side ends the connection, and what it sent before."""
    since = time.monotonic()
    sock.settimeout(within)
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := sock.recv(65536):
            data += chunk
    return time.monotonic() - since, data


@pytest.fixture
def edge(driver, tmp_path):
    running = Edge(driver, tmp_path)
    yield running
    try:
        running.stop()
    finally:
        running.close()


# --- the protocol ---

@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3],
                         ids=lambda version: version.name)
def test_both_versions(edge, newest):
    with closing(edge.connect(context=client(newest))) as connection:
        assert connection.sock.version() == min(edge.newest, newest.name.replace("_", "."))
        assert connection.sock.selected_alpn_protocol() == "http/1.1"
        assert ask(connection, "GET", "/peer") == (200, b"127.0.0.1")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_are_refused(edge):
    context = client(ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        edge.connect(context=context)


def test_fast_ciphers_are_preferred(edge):
    """AES-GCM where the processor has it, whatever the client lists first."""
    context = client(ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE+CHACHA20:ECDHE+AESGCM")
    with closing(edge.connect(context=context)) as connection:
        cipher = connection.sock.cipher()[0]
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    assert ("GCM" in cipher) == bool(re.search(r"\b(aes)\b.*\b(pclmulqdq)\b|\b(pclmulqdq)\b.*\b(aes)\b", flags))


def test_certificate_is_valid_for_the_address(edge):
    context = ssl.create_default_context(cafile=edge.directory / "cert.pem")
    assert edge.get("/peer", context=context) == (200, b"127.0.0.1")


def test_sessions_are_resumed(edge):
    by_cache = client(ssl.TLSVersion.TLSv1_2)
    by_cache.options |= ssl.OP_NO_TICKET
    for context in (client(), client(ssl.TLSVersion.TLSv1_2), by_cache):
        with closing(edge.connect(context=context)) as first:
            assert not first.sock.session_reused
            ask(first, "GET", "/peer")
            session = first.sock.session
        with context.wrap_socket(edge.raw(), session=session) as second:
            assert second.session_reused


def test_peers_are_told(edge):
    edge.get("/peer")
    edge.said("open ipv4 127.0.0.1")
    assert edge.get("/peer", address="::1") == (200, b"::1")
    edge.said("open ipv6 ::1")


def test_keepalive(edge):
    with closing(edge.connect()) as connection:
        for _ in range(50):
            assert ask(connection, "GET", "/peer") == (200, b"127.0.0.1")
    edge.said("end 0")
    assert len(edge.said("open .*")) == 1


def test_bodies_arrive_intact(edge):
    data = os.urandom(MIB)
    with closing(edge.connect()) as connection:
        assert ask(connection, "POST", "/echo", data) == (200, data)
        assert ask(connection, "GET", f"/bytes/{MIB}") == (200, content(MIB))
        for length in (0, 1, 16383, 16384, 16385, 70000):
            assert ask(connection, "POST", "/echo", data[:length]) == (200, data[:length])


def test_slow_reader(edge):
    """Every buffer on the way is full, and the worker must not spin over it."""
    with closing(edge.connect()) as connection:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.request("GET", f"/bytes/{8 * MIB}")
        answer = connection.getresponse()
        start = cpu_s(edge.worker)
        idle_until = time.monotonic() + 1
        wait_for(lambda: time.monotonic() > idle_until, 5, "a second")
        assert cpu_s(edge.worker) - start < 0.3
        assert answer.read() == content(8 * MIB)


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_idle_costs_nothing(edge):
    with closing(edge.connect()) as connection:
        ask(connection, "GET", "/peer")
        start = cpu_s(edge.worker)
        idle_until = time.monotonic() + 1
        wait_for(lambda: time.monotonic() > idle_until, 5, "a second")
        assert cpu_s(edge.worker) - start < 0.1


# --- ends ---

class Stream:
    """TLS in memory over a socket, so that a test decides what is sent when."""

    def __init__(self, edge, context=None):
        self.sock = edge.raw()
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or client()).wrap_bio(self.incoming, self.outgoing)
        self._drive(self.tls.do_handshake)

    def _drive(self, step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.flush()
                data = self.sock.recv(65536)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()
            finally:
                self.flush()

    def flush(self):
        if self.outgoing.pending:
            self.sock.sendall(self.outgoing.read())

    def send(self, data):
        self.tls.write(data)
        self.flush()

    def say_goodbye(self):
        """close_notify; reading goes on."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.flush()

    def read_all(self):
        """To the server's close_notify; an end without it is an error."""
        data = b""
        with contextlib.suppress(ssl.SSLZeroReturnError):
            while chunk := self._drive(lambda: self.tls.read(65536)):
                data += chunk
        return data

    def close(self):
        self.sock.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def upload(length):
    return b"POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length


@pytest.mark.parametrize("length", [1, 16384, 300000])
def test_half_close(edge, length):
    """The client says all and that it was all; the answer still comes, whole."""
    with closing(Stream(edge)) as stream:
        stream.send(upload(length) + bytes(length))
        stream.say_goodbye()
        answer = stream.read_all()
    assert answer.endswith(b"\r\n\r\n%d" % length)
    edge.said("end 0")


def test_half_close_before_a_large_answer(edge):
    with closing(Stream(edge)) as stream:
        stream.send(b"GET /bytes/%d HTTP/1.1\r\nHost: a\r\n\r\n" % MIB)
        stream.say_goodbye()
        assert stream.read_all().endswith(content(MIB))


@pytest.mark.parametrize("cut", ["close", "reset", "goodbye"])
def test_cut_upload_is_seen_at_once(edge, cut):
    """With close_notify all that was sent counts; without it nothing is promised but the end."""
    with closing(Stream(edge)) as stream:
        stream.send(upload(10 * MIB) + bytes(100000))
        edge.said("open .*")   # TLS 1.3: the client is done with the handshake before the server
        since = time.monotonic()
        if cut == "goodbye":
            stream.say_goodbye()
        elif cut == "reset":
            stream.reset()
        else:
            stream.close()
        have = int(edge.said(r"end (\d+)")[0])
        assert time.monotonic() - since < 3
        assert have == 100000 if cut == "goodbye" else have <= 100000


def test_answer_before_the_end_of_an_upload(edge):
    """The server refuses and closes with the body unread: the client must get the words, not a reset."""
    with closing(Stream(edge)) as stream:
        stream.send(b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % MIB)
        stream.send(bytes(200000))
        assert stream.read_all().startswith(b"HTTP/1.1 413 ")


def test_server_end_is_a_clean_end(edge):
    with closing(Stream(edge)) as stream:
        stream.send(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
        assert stream.read_all().startswith(b"HTTP/1.1 404 ")


# --- strangers ---

@pytest.mark.parametrize("garbage", [
    b"\x00", b"SSH\x002.0\r\n", b"\x80\x2e\x01\x03\x01", b"\x16\x03\x01\xff\xff" + b"\x00" * 20000,
    b"\x16\x03\x01\x00\x05hello", b"\x16" + b"\xff" * 100, b"\x16\x03\x01\x00\x00" * 50, random.Random(1).randbytes(4096),
], ids=lambda garbage: garbage[:6].hex())
def test_garbage(edge, garbage):
    with closing(edge.raw()) as sock:
        with contextlib.suppress(OSError):   # closed before all of it was sent
            sock.sendall(garbage)
            sock.shutdown(socket.SHUT_WR)
        took, _ = ended(sock, 8)
    assert took < 5
    assert edge.get("/peer")[0] == 200
    assert len(edge.said("open .*")) == 1


def test_records_damaged_in_the_tunnel(edge):
    with closing(Stream(edge)) as stream:
        stream.tls.write(upload(1000) + bytes(500))
        record = bytearray(stream.outgoing.read())
        record[-1] ^= 1
        stream.sock.sendall(record)
        took, _ = ended(stream.sock, 8)
    assert took < 5
    edge.said("end .*")


def test_plain_http_is_sent_to_https(edge):
    connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=10)
    connection.request("GET", "/page?x=1", headers={"Host": f"router.example:{edge.port}"})
    answer = connection.getresponse()
    assert answer.status == 308
    assert answer.headers["Location"] == f"https://router.example:{edge.port}/page?x=1"
    assert answer.read() == b""
    with closing(edge.raw()) as sock:   # in pieces, and without a host
        for piece in (b"GE", b"T / HTTP/1.0\r", b"\n\r\n"):
            sock.sendall(piece)
        took, data = ended(sock, 10)
    assert took < 5 and data.startswith(b"HTTP/1.1 400 ") and b"https://" in data


def client_hello():
    hello = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        client().wrap_bio(ssl.MemoryBIO(), hello).do_handshake()
    return hello.read()


def test_flood_of_handshakes(edge):
    """Connections that are open go on meanwhile."""
    hello, stop = client_hello(), threading.Event()

    def flood(source):
        while not stop.is_set():
            with contextlib.suppress(OSError), closing(edge.raw(source)) as sock:
                sock.sendall(hello)
                sock.recv(1)

    with closing(edge.connect()) as connection:
        threads = [threading.Thread(target=flood, args=(f"127.0.4.{n // 8}",)) for n in range(24)]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: cpu_s(edge.worker) > 1, 20, "a busy worker")
            for _ in range(50):
                asked = time.monotonic()
                assert ask(connection, "GET", "/peer")[0] == 200
                assert time.monotonic() - asked < 2
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def test_slow_handshakes_time_out(edge):
    hello = client_hello()
    beginnings = [b"", b"\x16", hello[:50], hello, b"GET / HTTP/1.1\r\n"]
    since = time.monotonic()
    socks = [edge.raw() for _ in beginnings]
    for sock, data in zip(socks, beginnings):
        sock.sendall(data)
    assert edge.get("/peer")[0] == 200   # others are served meanwhile
    for sock in socks:
        ended(sock, 2 * HANDSHAKE_S)
        sock.close()
        assert HANDSHAKE_S - 1 < time.monotonic() - since < HANDSHAKE_S + 5
    assert len(edge.said("open .*")) == 1


def test_one_client_cannot_take_all(edge):
    with contextlib.ExitStack() as stack:
        for _ in range(CLIENT_MAX):
            stack.enter_context(closing(edge.connect()))
        edge.said("open .*", CLIENT_MAX)
        sock = stack.enter_context(closing(edge.raw()))
        assert ended(sock, 5)[0] < 3
        assert edge.get("/peer", source="127.0.0.2") == (200, b"127.0.0.2")
    assert "too many connections" in edge.log()
    wait_for(lambda: edge_serves(edge), 5, "a place again")


def edge_serves(edge):
    try:
        return edge.get("/peer")[0] == 200
    except (ssl.SSLError, OSError):
        return False


def test_few_clients_cannot_take_all(edge):
    """All places taken by some: others get theirs, as many as those keep."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(closing(edge.connect(f"127.0.1.{n // CLIENT_MAX}"))) for n in range(TOTAL_MAX)]
        edge.said("open .*", TOTAL_MAX)
        late = [stack.enter_context(closing(edge.connect("127.0.2.1"))) for _ in range(12)]
        for connection in late:
            assert ask(connection, "GET", "/bytes/1000")[0] == 200
        kept = [served(connection) for connection in taken]
        assert [sum(kept[n:n + CLIENT_MAX]) for n in range(0, TOTAL_MAX, CLIENT_MAX)] == [13] * 4
        assert not any(kept[0:3]), "the oldest went"


def served(connection):
    try:
        return ask(connection, "GET", "/bytes/1000")[0] == 200
    except (ssl.SSLError, OSError, http.client.HTTPException):
        return False


def test_many_clients(edge):
    """All places taken by as many: no more, and those who have one keep it."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(closing(edge.connect(f"127.0.1.{n}"))) for n in range(TOTAL_MAX)]
        edge.said("open .*", TOTAL_MAX)
        for n in range(20):
            with closing(edge.raw(f"127.0.2.{n}")) as sock:
                assert ended(sock, 5)[0] < 3
        for connection in taken:
            assert ask(connection, "GET", "/bytes/1000")[0] == 200
    wait_for(lambda: edge_serves(edge), 5, "a place again")


def test_unfinished_handshakes_give_way(edge):
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(closing(edge.raw(f"127.0.1.{n // CLIENT_MAX}"))) for n in range(TOTAL_MAX)]
        assert edge.get("/peer", source="127.0.2.1")[0] == 200
        assert ended(silent[0], 5)[0] < 3


def test_waiting_for_porticod(driver, tmp_path):
    """The channel is bounded; connections that do not fit wait in the worker."""
    edge = Edge(driver, tmp_path, wait=True)
    try:
        with contextlib.ExitStack() as stack:
            waiting = [stack.enter_context(closing(edge.connect(f"127.0.1.{n // CLIENT_MAX}"))) for n in range(60)]
            assert cpu_s(edge.worker) < 10
            os.kill(edge.process.pid, signal.SIGUSR1)
            edge.said("open .*", 60)
            for connection in waiting:
                assert ask(connection, "GET", "/peer")[0] == 200
        edge.stop()
    finally:
        edge.close()


def test_random_abuse(edge):
    """Many clients that do all of this at once, then an honest one."""
    def abuse(seed):
        for n in range(12):
            with contextlib.suppress(ssl.SSLError, OSError, EOFError):
                kind = (seed + n) % 6
                if kind == 0:
                    with closing(edge.raw(f"127.0.3.{seed}")) as sock:
                        sock.sendall(os.urandom(200))
                elif kind == 1:
                    Stream(edge).reset()
                elif kind == 2:
                    with closing(Stream(edge)) as stream:
                        stream.send(upload(MIB) + bytes(50000))
                elif kind == 3:
                    with closing(Stream(edge)) as stream:
                        stream.send(b"GET /bytes/1000000 HTTP/1.1\r\n\r\n")
                        stream.sock.recv(1000)
                elif kind == 4:
                    edge.request("POST", "/echo", bytes(100000), source=f"127.0.3.{seed}")
                else:
                    with closing(Stream(edge)) as stream:
                        stream.send(b"GET /bytes/300000 HTTP/1.1\r\n\r\n")
                        stream.say_goodbye()
                        stream.read_all()

    worker = edge.worker
    threads = [threading.Thread(target=abuse, args=(seed,)) for seed in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    data = os.urandom(MIB)
    wait_for(lambda: edge_serves(edge), 15, "a place again")
    assert edge.request("POST", "/echo", data) == (200, data)
    assert edge.worker == worker


# --- processes ---

def check_confined(pid, *users):
    facts = status(pid)
    bounding = [] if users else ["CapBnd"]   # only root can empty it
    for kind in ["CapInh", "CapPrm", "CapEff", "CapAmb"] + bounding:
        assert int(facts[kind], 16) == 0, f"{facts['Name']}: {kind} {facts[kind]}"
    assert facts["NoNewPrivs"] == "1"
    uids, gids = set(facts["Uid"].split()), set(facts["Gid"].split())
    assert len(uids) == len(gids) == 1 and uids != {"0"} and gids != {"0"}
    assert uids == {next(filter(None, map(user_id, users or ("portico-edge", "nobody"))))}
    assert facts["Groups"].strip() == ""
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)
    assert int(re.search(r"Max open files +(\d+)", limits)[1]) <= 256


def user_id(user):
    try:
        return str(pwd.getpwnam(user).pw_uid)
    except KeyError:
        return None


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="giving up root needs root")


@needs_root
def test_children_have_no_rights(edge):
    edge.get("/peer")
    assert name(edge.keeper) == "portico-keeper"
    check_confined(edge.keeper)
    check_confined(edge.worker)


@needs_root
def test_nothing_is_inherited(driver, tmp_path):
    """A descriptor that the parent happens to have open stays with it."""
    with (tmp_path / "secret").open("wb") as secret:
        os.set_inheritable(secret.fileno(), True)
        pid = os.fork()
        if not pid:
            with contextlib.suppress(BaseException):
                with (tmp_path / "log2").open("wb") as log:
                    os.dup2(log.fileno(), 1)
                    os.dup2(log.fileno(), 2)
                os.execve(driver, [driver, tmp_path, "127.0.0.1:0"], environment())
            os._exit(1)
    try:
        keeper = wait_for(lambda: [k for k in children(pid) if name(k) == "portico-keeper" and children(k)],
                          15, "a keeper")[0]
        worker = wait_for(lambda: children(keeper), 15, "a worker")[0]
        assert any(os.readlink(f).endswith("/secret") for f in pathlib.Path(f"/proc/{pid}/fd").iterdir())
        for child in (keeper, worker):
            wait_for(lambda: not any(os.readlink(f).endswith("/secret")
                                     for f in pathlib.Path(f"/proc/{child}/fd").iterdir()), 5, "a closed descriptor")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_dead_worker_is_replaced(edge):
    edge.get("/peer")
    keeper = edge.keeper
    with closing(edge.connect()) as connection:
        old = edge.worker
        os.kill(old, signal.SIGKILL)
        since = time.monotonic()
        assert edge.get("/peer") == (200, b"127.0.0.1")   # waits in the backlog meanwhile
        assert time.monotonic() - since < 1.5
        with pytest.raises((OSError, http.client.HTTPException)):
            ask(connection, "GET", "/peer")
    edge.said("end 0", 2)
    assert edge.worker != old and edge.keeper == keeper
    assert re.search(r"portico-keeper: error: the edge's worker was ended by signal 9 \(Killed\); "
                     r"starting it again in 100 ms", edge.log())


def test_worker_that_dies_again_is_slowed_down(edge):
    for _ in range(3):
        worker = edge.worker
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: not alive(worker), 5, "its end")
        wait_for(lambda: children(edge.keeper), 5, "another worker")
    assert edge.get("/peer")[0] == 200
    assert re.findall(r"again in (\d+) ms", edge.log()) == ["100", "200", "400"]


def refuses(edge):
    try:
        edge.raw().close()
    except ConnectionRefusedError:
        return True
    return False


def test_children_end_with_porticod(edge):
    edge.get("/peer")
    pids = [edge.keeper, edge.worker]
    edge.process.kill()
    edge.process.wait()
    wait_for(lambda: not any(map(alive, pids)), 5, "the end of the children")
    # The keeper may have begun another worker, which ends as soon as it finds itself alone.
    wait_for(lambda: refuses(edge), 5, "the end of all who listen")
    assert not COMPLAINTS.search(edge.log()), edge.log()
    edge.stop = lambda: None


def test_porticod_ends_without_its_keeper(edge):
    pids = [edge.keeper, edge.worker]
    os.kill(pids[0], signal.SIGKILL)
    assert edge.process.wait(10) == 1
    assert not any(map(alive, pids))
    assert "the edge process is gone" in edge.log()
    edge.stop = lambda: None


def test_signals_of_the_terminal_are_porticods(edge):
    """Ctrl-C, and a service's stop, reach all processes: the answers under way are finished first."""
    for pid in (edge.keeper, edge.worker):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
    assert edge.get("/peer")[0] == 200


# --- start ---

def run_driver(driver, directory, *listen):
    return subprocess.run([driver, directory, *listen], capture_output=True, text=True, timeout=30, check=False,
                          env=environment())


def test_several_listeners(driver, tmp_path):
    edge = Edge(driver, tmp_path, ["127.0.0.1:0", "[::1]:0", "127.0.0.2:0"])
    try:
        assert len(set(edge.ports)) == 3
        assert edge.get("/peer")[0] == 200
        edge.port = edge.ports[1]
        assert edge.get("/peer", address="::1") == (200, b"::1")
        assert edge.log().count("listening on https://") == 3
        edge.stop()
    finally:
        edge.close()


@needs_root
def test_started_by_an_ordinary_user(driver):
    """It stays that user, without capabilities, and says so."""
    with tempfile.TemporaryDirectory() as directory:
        program = shutil.copy(driver, directory)
        shutil.chown(directory, "nobody")
        edge = Edge(program, pathlib.Path(directory), user="nobody")
        try:
            assert edge.get("/peer")[0] == 200
            check_confined(edge.worker, "nobody")
            assert "not started as root" in edge.log()
            edge.stop()
        finally:
            edge.close()


def test_mistakes_are_told(driver, tmp_path):
    done = run_driver(driver, tmp_path, "127.0.0.1")
    assert done.returncode == 1 and "the port is missing" in done.stderr
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        done = run_driver(driver, tmp_path, f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1 and "already in use" in done.stderr


def test_key_survives_a_restart(driver, tmp_path):
    certificates = []
    for _ in range(2):
        edge = Edge(driver, tmp_path)
        try:
            certificates.append(ssl.get_server_certificate(("127.0.0.1", edge.port)))
            edge.stop()
        finally:
            edge.close()
    assert certificates[0] == certificates[1]
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600


# --- with porticod ---

def test_porticod_behind_it(daemon):
    """The whole way, with one connection and with many."""
    assert daemon.api.get("/status").expect(200)
    stranger = daemon.client("127.0.0.1")
    for _ in range(3):
        stranger.get("/status").expect(401)


@needs_root
def test_porticods_edge_has_no_rights(daemon):
    keeper = children(daemon.process.pid)[0]
    check_confined(keeper)
    check_confined(wait_for(lambda: children(keeper), 5, "a worker")[0])


def test_porticod_survives_its_edge(daemon):
    keeper = children(daemon.process.pid)[0]
    os.kill(children(keeper)[0], signal.SIGKILL)
    daemon.api.close()
    daemon.api.get("/status").expect(200)


def test_porticod_refuses_large_bodies_in_words(daemon):
    """The answer comes through although most of the body is never read."""
    for _ in range(5):
        daemon.client("127.0.0.1").post("/session", bytes(4 * MIB),
                                        headers={"Content-Type": "application/json"}).expect(413)


def test_porticod_notices_cut_uploads(daemon):
    """No connection stays open at its end."""
    class Port:
        @staticmethod
        def raw():
            return socket.create_connection(("127.0.0.1", daemon.port), 20)

    def descriptors():
        return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))

    daemon.api.get("/status").expect(200)
    before = descriptors()
    for n in range(40):
        stream = Stream(Port)
        stream.send(b"POST /api/v1/session HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n{")
        if n % 2:
            stream.say_goodbye()
        stream.close()
    wait_for(lambda: descriptors() <= before, 5, "the end of the cut uploads")
    daemon.api.get("/status").expect(200)
