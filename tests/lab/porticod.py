# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the real daemon and speaks to it.

    with Porticod(lab.router) as daemon:
        daemon.api.post("/forwards", {...}).expect(201)   # HTTPS, logged in
        daemon.sock.get("/status").expect(200)            # the Unix socket

The directory of build/porticod is taken from PORTICO_BUILD (default: build/ of
the tree).
"""
import contextlib
import http.client
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile

from .lab import wait_for

TREE = pathlib.Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery staple"
READY_S = 30   # the sanitizers and a busy machine
STOP_S = 15
EDGE_S = 5     # for the edge to see that its porticod is dead
REQUEST_S = 30
COMPLAINTS = re.compile(r"Sanitizer|runtime error:|^ERROR|Assertion .* failed", re.MULTILINE)


def build_dir():
    return pathlib.Path(os.environ.get("PORTICO_BUILD", TREE / "build")).resolve()


class Response:
    """`status`, `headers` (case does not matter), `body` (decoded if it is JSON, else bytes)."""

    def __init__(self, request, answer):
        self.request = request
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()
        if "json" in self.headers.get("Content-Type", "") and self.body:
            self.body = json.loads(self.body)

    def expect(self, status):
        """The body; the status must be this one."""
        assert self.status == status, f"{self.request}: {self.status}, not {status}: {self.body}"
        return self.body


class Api:
    """HTTP requests over connections that `connect` makes, each used as long as it lasts.
    Paths are below /api/v1, but for `base=""`."""

    def __init__(self, connect):
        self._connect = connect
        self._connection = None
        self.headers = {}   # go with every request
        self.csrf = None    # goes with every write

    def close(self):
        if self._connection:
            self._connection.close()
            self._connection = None

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body, **options)

    def put(self, path, body, **options):
        return self.request("PUT", path, body, **options)

    def patch(self, path, body, **options):
        return self.request("PATCH", path, body, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    def request(self, method, path, body=None, headers=None, base="/api/v1"):
        """A body that is bytes goes as it is, anything else as JSON."""
        headers = {**self.headers, **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            headers.setdefault("Content-Type", kind)
            body = json.dumps(body).encode()
        if self.csrf and method != "GET":
            headers.setdefault("X-CSRF-Token", self.csrf)
        if self._connection and select.select([self._connection.sock], [], [], 0)[0]:
            self.close()  # the daemon has closed it; a request is never sent twice
        if not self._connection:
            self._connection = self._connect()
        try:
            self._connection.request(method, base + path, body, headers)
            answer = self._connection.getresponse()
        except BaseException:
            self.close()
            raise
        response = Response(f"{method} {base}{path}", answer)
        if answer.will_close:
            self.close()
        return response

    def login(self, password=PASSWORD, username="admin"):
        """A session: its cookie and CSRF token go with what follows."""
        response = self.post("/session", {"username": username, "password": password})
        self.csrf = response.expect(201)["csrf"]
        self.headers["Cookie"] = response.headers["Set-Cookie"].split(";")[0]
        return response


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=REQUEST_S)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _HttpsConnection(http.client.HTTPSConnection):
    """TLS to an address as seen from a host of a lab, or from here if that is None."""

    def __init__(self, host, address, port, context):
        super().__init__(address, port, timeout=REQUEST_S, context=context)
        self._host_in_lab = host

    def connect(self):
        with self._host_in_lab.entered() if self._host_in_lab else contextlib.nullcontext():
            http.client.HTTPConnection.connect(self)
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)


class Porticod:
    """A daemon in the network of `host` (a Host of a lab, the name of a namespace, or None for the one
    we are in), with files of its own in a new directory, or in `directory`.

    `run_inside`: started inside that namespace, with its page at [::]:8443 there; otherwise the page is at
    a free port of 127.0.0.1 here. `setup`: finish the first run and log `api` in.
    """

    last_log = ""   # of the daemon that ended last; for reports of failed tests
    open = []       # daemons not closed yet

    def __init__(self, host=None, directory=None, build=None, run_inside=False, setup=True,
                 listen=None, options=(), password=PASSWORD):
        self.host = host
        self.run_inside = run_inside
        self.build = pathlib.Path(build) if build else build_dir()
        self._own_directory = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="portico-"))
        self.db = self.directory / "portico.db"
        self.socket_path = self.directory / "portico.sock"
        self.log_path = self.directory / "porticod.log"
        self.listen = listen or ("[::]:8443" if run_inside else "127.0.0.1:0")
        self.options = list(options)
        self.password = password
        self.port = None
        self.process = None
        self._log_start = 0
        self.sock = Api(lambda: _UnixConnection(self.socket_path))
        self.api = self.client("127.0.0.1")
        Porticod.open.append(self)
        try:
            self.start()
            if setup:
                self.finish_setup()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None and self.process is not None:
            self.stop()
        self.close()

    # --- running ---

    def command_line(self):
        """What starts the daemon, without `ip netns exec`."""
        argv = [self.build / "porticod", "--db", self.db, "--listen", self.listen, "--socket", self.socket_path]
        if self.netns and not self.run_inside:
            argv += ["--netns", self.netns]
        return [str(a) for a in argv + self.options]

    @property
    def netns(self):
        return getattr(self.host, "netns", self.host)

    def start(self):
        """Returns when the daemon says that it is ready."""
        argv = self.command_line()
        if self.netns and self.run_inside:
            argv = ["ip", "netns", "exec", self.netns, *argv]
        notify_path = str(self.directory / "notify")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(notify_path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, self.log_path.open("ab") as log:
            notify.bind(notify_path)
            notify.setblocking(False)
            self._log_start = log.tell()
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True,  # Ctrl-C is for us
                                            env=environment(NOTIFY_SOCKET=notify_path))
            wait_for(lambda: self._ready(notify), READY_S, "READY=1")
        listening = re.search(r"listening on https://\S*:(\d+)", self.log())
        assert listening, f"does not say where it listens:\n{self.log()}"
        self.port = int(listening[1])
        self.listen = re.sub(r":0$", f":{self.port}", self.listen)  # the same one after a restart

    def _ready(self, notify):
        assert self.process.poll() is None, f"ended at once, status {self.process.returncode}:\n{self.log()}"
        return select.select([notify], [], [], 0.1)[0] and b"READY=1" in notify.recv(4096)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        """What it has written to stderr since it was started last."""
        text = self.log_path.read_bytes() if self.log_path.exists() else b""
        return text[self._log_start:].decode(errors="replace")

    def stop(self):
        """SIGTERM; it must end with status 0 and without complaints of a sanitizer."""
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        status = wait(process)
        self._disconnect()
        assert status == 0, f"ended with status {status}:\n{self.log()}"
        assert not session(process.pid), "its edge outlived it"
        self.check_log()

    def check_log(self):
        complaint = COMPLAINTS.search(self.log())
        assert not complaint, f"it complains:\n{self.log()}"

    def kill(self):
        """SIGKILL, at any moment. Its edge must end by itself, and soon."""
        process, self.process = self.process, None
        process.kill()
        process.wait()
        wait_for(lambda: not session(process.pid), EDGE_S, "the edge to end with its porticod")
        self._disconnect()

    def restart(self):
        """SIGTERM if it runs, and a new start with the same files; `api` gets a new session if it had one."""
        if self.running():
            self.stop()
        self.start()
        if self.api.csrf:
            self.login()

    def close(self):
        """Ends it without ceremony and removes its directory, if that is its own."""
        if self.process:
            self.kill()
        self._disconnect()
        Porticod.last_log = self.log()
        Porticod.open.remove(self)
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _disconnect(self):
        self.api.close()
        self.sock.close()

    # --- speaking ---

    def client(self, address, host=None):
        """Another client (another browser), without a session: from `host` of the lab to `address`."""
        if host is None and self.run_inside:
            host = self.host
        return Api(lambda: _HttpsConnection(host, address, self.port, self._tls()))

    def _tls(self):
        """Trusts this daemon's own certificate and no other."""
        context = ssl.create_default_context(cafile=self.directory / "cert.pem")
        context.check_hostname = False  # labs call it by addresses that it cannot know
        return context

    def finish_setup(self):
        code = self.sock.get("/setup").expect(200)["code"]
        self.api.post("/setup", {"code": code, "password": self.password}).expect(201)
        self.login()

    def login(self):
        self.api.headers.clear()
        self.api.csrf = None
        self.api.login(self.password)

    def cli(self, *arguments, check=True):
        """Runs the portico command against this daemon."""
        done = subprocess.run([str(self.build / "portico"), "--socket", str(self.socket_path), *arguments],
                              capture_output=True, text=True, timeout=REQUEST_S, check=False, env=environment())
        assert not check or done.returncode == 0, f"portico {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def flush(self):
        return flush(self.host, self.build, self.directory / "portico.db")


def flush(host, build=None, db="/nonexistent/portico.db"):
    """porticod --flush in the network of `host`."""
    argv = [str((build or build_dir()) / "porticod"), "--flush", "--netns", host.netns, "--db", str(db)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=REQUEST_S, check=False, env=environment())
    assert done.returncode == 0, f"--flush: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def wait(process):
    """The exit status; a process that does not end in time is killed and named."""
    try:
        return process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"did not end within {STOP_S} s of SIGTERM") from None


def session(leader):
    """The processes of a session: a daemon started here leads one of its own."""
    pids = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            state, _, _, sid = pathlib.Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[:4]
            if int(sid) == leader and state != "Z":
                pids.append(int(pid))
    return pids


def environment(**more):
    """Ours, with sanitizers that speak up by exit status as well."""
    defaults = {"ASAN_OPTIONS": "exitcode=99:detect_stack_use_after_return=1",
                "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99"}
    return {**defaults, **os.environ, **more}
