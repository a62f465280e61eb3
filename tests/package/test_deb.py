# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package in a clean root: installed, used, upgraded under traffic, removed, purged.

PORTICO_DEB is the package (else `make deb` makes it), PORTICO_PREVIOUS_DEB the one that it replaces (else the same with a
lower version). What a real systemd makes of the unit is tests/package/boot, as it takes a machine of its own.
"""
import http.client
import os
import pathlib
import re
import shutil
import ssl

import pytest

from cleanroot import TREE, CleanRoot
from lab import topologies
from lab.checks import ask_from_internet
from lab.lab import Lab, command
from lab.porticod import build_dir
from lab.stream import Sink, Source

PUBLIC, LAN = "192.0.2.1", "192.168.0.1"
BUILD_S = 600
EXPOSURE_MAX = 31  # tenths; systemd-analyze security
STATE = ["nft -s list ruleset", "ip rule", "ip -6 rule", "ip route show table all", "ip -6 route show table all"]
VOLATILE = re.compile(r"nf_conntrack_count$|stable_secret$|/neigh/.*gc_stale")


@pytest.fixture(scope="session")
def deb():
    if os.geteuid() != 0:
        pytest.skip("a clean root needs root")
    if not shutil.which("dpkg-buildpackage"):
        pytest.skip("this is no Debian")
    if "PORTICO_DEB" in os.environ:
        return pathlib.Path(os.environ["PORTICO_DEB"]).resolve()
    done = command(["env", "-u", "MAKEFLAGS", "make", "-s", "--no-print-directory", "-C", TREE, "deb"], timeout=BUILD_S)
    return pathlib.Path(done.stdout.split()[-1])


@pytest.fixture(scope="session")
def previous(deb, tmp_path_factory):
    if "PORTICO_PREVIOUS_DEB" in os.environ:
        return pathlib.Path(os.environ["PORTICO_PREVIOUS_DEB"]).resolve()
    work = tmp_path_factory.mktemp("previous")
    command(["dpkg-deb", "-R", deb, work / "tree"])
    control = work / "tree/DEBIAN/control"
    control.write_text(re.sub(r"^Version: (.*)", r"Version: \1~previous", control.read_text(), flags=re.MULTILINE))
    return pathlib.Path(command(["dpkg-deb", "--root-owner-group", "-Znone", "-b", work / "tree", work])
                        .stdout.split("'")[3])


@pytest.fixture
def root(deb):
    """On the router of a home."""
    depends = command(["dpkg-deb", "-f", deb, "Depends"]).stdout
    packages = [d.split()[0] for d in depends.split(",") if "|" not in d]
    with Lab(topologies.home()) as lab, \
            CleanRoot(lab.router, [*packages, "mount", "systemd-standalone-sysusers", "systemd-standalone-tmpfiles"]) as clean:
        yield clean


@pytest.fixture
def managed(root):
    root.manage()
    return root


def kernel(router):
    """Everything of the network that could be changed."""
    state = {question: router.run(question).stdout for question in STATE}
    with router.entered():
        for folder, _, names in os.walk("/proc/thread-self/root/proc/sys/net"):
            for path in (os.path.join(folder, name) for name in names):
                if not VOLATILE.search(path) and os.stat(path).st_mode & 0o444:
                    with open(path, "rb") as file:
                        try:
                            state[path] = file.read()
                        except OSError:
                            pass  # some can only be read where they mean something
    return state


def difference(before, after):
    return {key: (before.get(key), after.get(key)) for key in before.keys() | after.keys()
            if before.get(key) != after.get(key)}


def configure(root):
    """As a person does, without a browser."""
    root.run("portico uplink add isp1 --device eth0")
    root.run("portico uplink add isp2 --device eth1")
    root.run("portico network add lan --device br-lan")
    root.run("portico forward add web --port 80 --to 192.168.0.2")
    root.run("portico forward add film --port 81 --to 192.168.0.2")


def forwards(lab):
    exchange = ask_from_internet(lab, PUBLIC, 80)
    return (exchange.answer.server, exchange.answer.peer, exchange.replies)


def page_at(host, address):
    """The status of GET / as a host sees it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(address, 8443, timeout=5, context=context)
    with host.entered():
        http.client.HTTPConnection.connect(connection)
    connection.sock = context.wrap_socket(connection.sock)
    connection.request("GET", "/", headers={"Accept-Encoding": "gzip"})
    return connection.getresponse().status


def porticod(root):
    """Its process id and program."""
    pid = (root.path / "run/porticod.pid").read_text().strip()
    return pid, os.readlink(f"/proc/{pid}/exe")


def test_lintian(deb):
    """Not even a hint is left, but for those that debian/*.lintian-overrides answers."""
    if not shutil.which("lintian"):
        pytest.skip("lintian is not installed")
    changes = next(deb.parent.glob("*.changes"), deb)
    done = command(["lintian", "--allow-root", "--display-info", "--fail-on=error,warning,info", changes],
                   check=False, timeout=BUILD_S)
    assert done.returncode == 0, done.stdout + done.stderr


def tree(folder):
    return {str(path.relative_to(folder)): path.stat().st_mode for path in folder.rglob("*") if path.is_file()}


def test_same_files_as_make_install(deb, tmp_path):
    """And beside them only what belongs to a package. Pages are compressed, units where Debian 12 has them."""
    made, packed = tmp_path / "made", tmp_path / "packed"
    out = build_dir()
    which = ["SAN=1", f"BUILD={out.parent}"] if out.name == "san" else [f"BUILD={out}"]
    command(["make", "-C", TREE, "install", *which, f"DESTDIR={made}", "UNITDIR=/lib/systemd/system"], timeout=BUILD_S)
    command(["dpkg-deb", "-x", deb, packed])
    command(["gunzip", *packed.glob("usr/share/man/*/*.gz")])
    shutil.rmtree(packed / "usr/share/doc")
    shutil.rmtree(packed / "usr/share/lintian")
    (packed / "etc/default/portico").unlink()
    assert tree(packed) == tree(made)
    for name in tree(made):
        if not name.startswith(("usr/bin/", "usr/sbin/")):
            assert (packed / name).read_bytes() == (made / name).read_bytes(), name


def test_unit():
    """The unit is valid, and no less confined than it was."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    unit = TREE / "init/portico.service"
    done = command(["systemd-analyze", "verify", "--man=no", unit], check=False)
    assert not [line for line in done.stderr.splitlines() if "is not executable" not in line]
    done = command(["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}", unit],
                   check=False)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


def test_installing_changes_nothing(managed, deb):
    """The daemon runs and shows its page, and the kernel is as it was."""
    lab, root = managed.host.lab, managed
    before = kernel(lab.router)
    said = root.install(deb)
    assert "portico setup-code" in said and ":8443" in said
    assert (root.path / "etc/systemd/system/multi-user.target.wants/portico.service").is_symlink()
    assert porticod(root)[1].endswith("/usr/sbin/porticod")
    assert page_at(lab.client, LAN) == 200
    assert re.search(r"[a-z0-9]{8}", root.run("portico setup-code").stdout)
    assert difference(before, kernel(lab.router)) == {}


def test_life(managed, deb, previous):
    """Used, upgraded under traffic, removed, installed again, purged."""
    lab, root = managed.host.lab, managed
    lab.backend.serve(80)
    files, before = root.files(), kernel(lab.router)

    root.install(previous)
    configure(root)
    assert forwards(lab) == ("backend", "203.0.113.200", ["isp1"])
    configuration = root.run("portico config show --json").stdout
    pid, program = porticod(root)
    tables = lab.router.run("nft -j list tables").stdout  # with their handles: a new one has a new number
    assert '"portico"' in tables
    edited = root.path / "etc/default/portico"
    edited.write_text(edited.read_text() + "PORTICOD_OPTIONS=--log-level=debug\n")

    with Source(lab.backend, 81), Sink(lab.internet, PUBLIC, 81) as film:
        film.goes_on()
        root.install(deb)
        assert os.readlink(f"/proc/{porticod(root)[0]}/exe") == program
        assert porticod(root)[0] != pid
        film.goes_on()
        assert forwards(lab) == ("backend", "203.0.113.200", ["isp1"])
        assert lab.router.run("nft -j list tables").stdout == tables, "it was taken away for a moment"
        assert root.run("portico config show --json").stdout == configuration
        assert "log-level=debug" in edited.read_text()

    root.remove()
    assert difference(before, kernel(lab.router)) == {}, "rules that nobody looks after"
    assert not (root.path / "usr/sbin/porticod").exists() and (root.path / "etc/portico/portico.db").exists()

    root.install(deb)
    assert root.run("portico config show --json").stdout == configuration
    assert forwards(lab) == ("backend", "203.0.113.200", ["isp1"])

    root.remove("--purge")
    assert difference(before, kernel(lab.router)) == {}
    assert users_alone(difference(files, root.files())) == ["portico", "portico-edge"]
    assert "portico" not in root.run("dpkg -l").stdout


def users_alone(left):
    """The names of users in what is left behind; nothing else may be."""
    names = set()
    for path, (before, after) in left.items():
        assert re.fullmatch(r"etc/(passwd|group|shadow|gshadow)-?|etc/\.pwd\.lock", path), (path, before, after)
        lines = [set(facts[3].decode().splitlines()) if facts else set() for facts in (before, after)]
        if path in ("etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"):
            assert not lines[0] - lines[1]
            names |= {line.split(":")[0] for line in lines[1] - lines[0]}
    return sorted(names)


def test_without_a_service_manager(root, deb):
    """As in a container: nothing is started, and everything else is the same."""
    files, before = root.files(), kernel(root.host)
    assert "portico setup-code" in root.install(deb)
    status = (root.path / "etc/portico").stat()
    assert f"portico:x:{status.st_uid}:{status.st_gid}:" in (root.path / "etc/passwd").read_text()
    assert status.st_mode & 0o7777 == 0o750
    assert not command(["ip", "netns", "pids", root.host.netns]).stdout
    root.remove("--purge")
    assert users_alone(difference(files, root.files())) == ["portico", "portico-edge"]
    assert difference(before, kernel(root.host)) == {}


def test_removed_under_a_daemon(managed, deb):
    """One that was started by hand would put everything back: what is in the kernel stays, and that is said."""
    root = managed
    root.install(deb)
    configure(root)
    shutil.rmtree(root.path / "run/systemd")
    assert "stays there" in root.remove()
    assert "portico" in root.host.run("nft list tables").stdout
