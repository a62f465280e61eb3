# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds and removes networks of network namespaces.

    with Lab(topologies.home()) as lab:
        lab.backend.serve(80)
        print(lab.internet.ask("192.0.2.1", 80).peer)

Namespaces are called pt<pid>-<n>-<node>: labs of several processes live side
by side, and `tests/lab/lab clean` finds those whose process is gone.

Sockets of this process are made inside a namespace (setns, socket, back) and
stay there, so clients, servers and captures need no processes of their own.
"""
import atexit
import contextlib
import ctypes
import itertools
import json
import os
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

from .capture import Capture
from .client import Connection
from .server import Server

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
COMMAND_TIMEOUT_S = 30


class LabError(Exception):
    pass


@dataclass
class Node:
    """A namespace. `addresses` by device; `routes` as `ip route add` takes them."""
    addresses: dict = field(default_factory=dict)
    routes: list = field(default_factory=list)
    forwards: bool = False
    sysctls: dict = field(default_factory=dict)


@dataclass
class Topology:
    """`links` are pairs of "node.device"; `bridges` map "node.device" to the ends
    that are plugged in, whose ports in the bridge are named after their nodes."""
    nodes: dict
    links: list = field(default_factory=list)
    bridges: dict = field(default_factory=dict)


def wait_for(condition, timeout=5.0, what=None, interval=0.02):
    """Calls `condition` until what it returns is true, and returns that."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout} s: {what or condition}")
        select.select([], [], [], interval)


def command(argv, check=True, stdin=None, timeout=COMMAND_TIMEOUT_S):
    """Runs a command; returns its CompletedProcess with text output."""
    argv = shlex.split(argv) if isinstance(argv, str) else [str(word) for word in argv]
    done = subprocess.run(argv, input=stdin, text=True, capture_output=True, timeout=timeout, check=False)
    if check and done.returncode != 0:
        raise LabError(f"{shlex.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}{stdin or ''}")
    return done


@contextlib.contextmanager
def entered(netns_fd):
    """The calling thread is inside the namespace for the length of the block."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if LIBC.setns(netns_fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            if LIBC.setns(home, CLONE_NEWNET):
                os._exit(70)  # a thread lost in the wrong namespace must not go on
    finally:
        os.close(home)


class Host:
    """One namespace of a lab."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.netns = f"{lab.prefix}-{name}"
        self._fd = None

    def __repr__(self):
        return f"<{self.netns}>"

    def _open(self):
        self._fd = os.open(f"/run/netns/{self.netns}", os.O_RDONLY | os.O_CLOEXEC)

    def _close(self):
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    # --- commands ---

    def wrap(self, argv):
        """The command line that runs `argv` in this namespace."""
        if isinstance(argv, str):
            argv = shlex.split(argv)
        return ["nsenter", f"--net=/run/netns/{self.netns}", "--", *argv]

    def run(self, argv, check=True, stdin=None, timeout=COMMAND_TIMEOUT_S):
        return command(self.wrap(argv), check=check, stdin=stdin, timeout=timeout)

    def spawn(self, argv, **options):
        """Starts a process that ends with the lab at the latest."""
        process = subprocess.Popen(self.wrap(argv), **options)
        self.lab.processes.append(process)
        return process

    def ip(self, arguments, check=True):
        return self.run("ip " + arguments, check=check).stdout

    def nft(self, ruleset):
        """Loads a ruleset in nft's language."""
        return self.run(["nft", "-f", "-"], stdin=ruleset).stdout

    def sysctl(self, name, value=None):
        """Reads a sysctl of this namespace (None if there is no such), or sets it."""
        path = "/proc/sys/" + name.replace(".", "/")
        with self.entered():
            try:
                with open(path, "r" if value is None else "w", encoding="ascii") as file:
                    if value is None:
                        return file.read().strip()
                    file.write(str(value))
                    return str(value)
            except FileNotFoundError:
                if value is None:
                    return None
                raise

    # --- sockets ---

    def entered(self):
        return entered(self._fd)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        with self.entered():
            return socket.socket(family, kind, protocol)

    def serve(self, port, protocol="tcp", address="0.0.0.0", name=None, think_s=0):
        """Starts a server that answers with what it sees; it ends with the lab at the latest."""
        server = Server(self.socket, name or self.name, protocol, address, port, think_s)
        self.lab.resources.append(server)
        return server

    def connect(self, address, port, protocol="tcp", source=None, source_port=0, timeout=3.0):
        """A connection that can be asked again and again (close it, or use `with`)."""
        return Connection(self.socket, protocol, address, port, source, source_port, timeout)

    def ask(self, address, port, protocol="tcp", source=None, source_port=0, timeout=3.0):
        """One question to a server of ours: an Answer; or ConnectionRefusedError, TimeoutError, OSError."""
        with self.connect(address, port, protocol, source, source_port, timeout) as connection:
            return connection.ask()

    def capture(self, device):
        """Starts to record packets of a device; it listens by the time this returns."""
        capture = Capture(self, device)
        self.lab.resources.append(capture)
        return capture

    # --- what the kernel has ---

    def conntrack(self, **wanted):
        """Entries of the connection-tracking table as dicts: protocol, src, dst, sport, dport, the same
        with the prefix reply_, mark; those that match `wanted`."""
        text = self.run("conntrack -L -o extended").stdout + self.run("conntrack -f ipv6 -L -o extended").stdout
        entries = [_conntrack_entry(line) for line in text.splitlines()]
        return [e for e in entries if all(e.get(k) == v for k, v in wanted.items())]

    def addresses(self, device, family="inet"):
        links = json.loads(self.ip(f"-j addr show dev {device}"))
        return [a["local"] for link in links for a in link.get("addr_info", [])
                if a["family"] == family and a.get("scope") == "global"]

    def links_are_up(self):
        """False for up to a second after the other end came up: until then packets are dropped."""
        return all(link["operstate"] in ("UP", "UNKNOWN") for link in json.loads(self.ip("-j link show")))

    def devices(self):
        return [link["ifname"] for link in json.loads(self.ip("-j link show"))]

    @contextlib.contextmanager
    def default_route(self, gateway):
        """Another default route for the length of the block."""
        before = self.ip("route show default").strip()
        self.ip(f"route replace default via {gateway}")
        try:
            yield
        finally:
            self.ip(f"route replace {before}" if before else "route del default")


def _conntrack_entry(line):
    words = line.split()
    entry = {"family": words[0], "protocol": words[2], "mark": 0, "text": line}
    prefix = ""
    for key, value in re.findall(r"(\w+)=(\S+)", line):
        if key == "src" and "src" in entry:
            prefix = "reply_"
        if key in ("src", "dst"):
            entry[prefix + key] = value
        elif key in ("sport", "dport"):
            entry[prefix + key] = int(value)
        elif key == "mark":
            entry["mark"] = int(value)
    return entry


class Lab:
    """The namespaces of a topology, as attributes by node name and lab["name"]."""

    _numbers = itertools.count()
    _open = []

    def __init__(self, topology):
        self.topology = topology
        self.prefix = f"pt{os.getpid()}-{next(Lab._numbers)}"
        self.hosts = {name: Host(self, name) for name in topology.nodes}
        self.processes = []
        self.resources = []

    def __getitem__(self, name):
        return self.hosts[name]

    def __getattr__(self, name):
        try:
            return self.__dict__["hosts"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __enter__(self):
        if os.geteuid() != 0:
            raise LabError("network namespaces need root")
        _catch_signals()
        Lab._open.append(self)
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends everything that runs in the lab and removes it. May be called again."""
        for resource in reversed(self.resources):
            resource.close()
        self.resources.clear()
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.processes.clear()
        for host in self.hosts.values():
            host._close()
        remove_namespaces(host.netns for host in self.hosts.values())
        if self in Lab._open:
            Lab._open.remove(self)

    def _build(self):
        hosts, topology = self.hosts, self.topology
        command(["ip", "-batch", "-"], stdin="".join(f"netns add {host.netns}\n" for host in hosts.values()))
        for host in hosts.values():
            host._open()
            _prepare(host, topology.nodes[host.name])
        batch = []
        for one, other in topology.links:
            batch.append(self._veth(one, other))
        for bridge, ends in topology.bridges.items():
            node, device = bridge.split(".")
            batch.append(f"link add {device} netns {hosts[node].netns} type bridge")
            for end in ends:
                batch.append(self._veth(f"{node}.{_port(end)}", end))
        command(["ip", "-batch", "-"], stdin="\n".join(batch) + "\n")
        for name, node in topology.nodes.items():
            self._configure(hosts[name], node)
        for host in hosts.values():
            wait_for(host.links_are_up, what=f"links of {host.name}")

    def _veth(self, one, other):
        (a, device_a), (b, device_b) = one.split("."), other.split(".")
        return (f"link add {device_a} netns {self.hosts[a].netns} type veth "
                f"peer name {device_b} netns {self.hosts[b].netns}")

    def _configure(self, host, node):
        lines = []
        for bridge, ends in self.topology.bridges.items():
            owner, device = bridge.split(".")
            if owner == host.name:
                lines += [f"link set {_port(end)} master {device}" for end in ends]
        lines += [f"link set {device} up" for device in host.devices()]
        for device, addresses in node.addresses.items():
            lines += [f"addr add {address} dev {device}" + (" nodad" if ":" in address else "")
                      for address in addresses]
        lines += [f"route add {route}" for route in node.routes]
        host.run(["ip", "-batch", "-"], stdin="\n".join(lines) + "\n")
        for name, value in node.sysctls.items():
            host.sysctl(name, value)


def _port(end):
    """The name of the bridge port into which "node.device" is plugged."""
    return end.split(".")[0]


def _prepare(host, node):
    """Known values, whatever the machine's own are: a new namespace inherits some of them."""
    forwards = int(node.forwards)
    for name, value in {"net.ipv4.ip_forward": forwards, "net.ipv6.conf.all.forwarding": forwards,
                        "net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.default.rp_filter": 0,
                        "net.ipv6.conf.all.accept_dad": 0, "net.ipv6.conf.default.accept_dad": 0,
                        "net.ipv4.icmp_ratemask": 0, "net.ipv6.icmp.ratelimit": 0}.items():
        host.sysctl(name, value)


# --- removal ---

def remove_namespaces(names):
    """Ends the processes inside and deletes the namespaces, whether they are there or not."""
    names = [name for name in names if os.path.exists(f"/run/netns/{name}")]
    for name in names:
        for pid in command(["ip", "netns", "pids", name], check=False).stdout.split():
            if int(pid) != os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
    if names:
        command(["ip", "-force", "-batch", "-"], check=False,
                stdin="".join(f"netns delete {name}\n" for name in names))


def leftovers():
    """Names of namespaces whose process is gone."""
    names = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
    found = [(name, re.match(r"pt(\d+)-\d+-", name)) for name in names]
    return [name for name, match in found if match and not os.path.exists(f"/proc/{match[1]}")]


def _close_all():
    for lab in list(Lab._open):
        lab.close()


def _terminated(number, _frame):
    sys.exit(128 + number)  # unwinds the with blocks


def _catch_signals():
    atexit.register(_close_all)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _terminated)
