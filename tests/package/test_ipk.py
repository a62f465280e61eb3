# SPDX-License-Identifier: GPL-2.0-or-later
"""`make ipk`: what opkg would read, and the packaged daemon in the packet lab; `make dist`: built without Node, the same bytes.

PORTICO_IPK_ARCH is another architecture than x86_64: its programs are loaded by qemu-user, which has no netlink for a lab.
"""
import gzip
import hashlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

import ipk
import pytest

from lab import topologies
from lab.musl import loaded, wrap
from lab.porticod import TREE, Porticod
from lab.stream import Sink, Source

ARCH = os.environ.get("PORTICO_IPK_ARCH", "x86_64")
MAKE_TIMEOUT_S = 1200
BUILT = TREE / "build" / "ipk" / ARCH

# family: class, data, machine as readelf calls them; musl's loader; the emulator
ELF = {
    "x86_64": ("ELF64", "little endian", "Advanced Micro Devices X86-64", "x86_64", None),
    "aarch64": ("ELF64", "little endian", "AArch64", "aarch64", "qemu-aarch64"),
    "arm": ("ELF32", "little endian", "ARM", "armhf", "qemu-arm"),
    "mips": ("ELF32", "big endian", "MIPS R3000", "mips-sf", "qemu-mips"),
    "mipsel": ("ELF32", "little endian", "MIPS R3000", "mipsel-sf", "qemu-mipsel"),
}
CLASS, DATA, MACHINE, LOADER, EMULATOR = ELF["x86_64" if ARCH == "x86_64" else ARCH.split("_")[0]]
PROVIDER = {"libc.so": "libc", "libgcc_s.so.1": "libgcc1", "libnftnl.so.11": "libnftnl11"}


def make(*arguments, tree=TREE, **environment):
    done = subprocess.run(["make", *arguments], cwd=tree, capture_output=True, text=True, timeout=MAKE_TIMEOUT_S,
                          check=False, env={**os.environ, "MAKEFLAGS": "", **environment})
    assert done.returncode == 0, f"make {arguments}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


def only(directory, pattern):
    [found] = directory.glob(pattern)
    return found


@pytest.fixture(scope="module")
def made():
    """What make says, and the package."""
    said = make("ipk", f"ARCH={ARCH}")
    path = TREE / "build" / re.search(r"(portico_\S+\.ipk): ", said)[1]
    return said, path


@pytest.fixture(scope="module")
def package(made):
    return ipk.read(made[1].read_bytes())


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory):
    return unpack(package, tmp_path_factory.mktemp("root"))


def unpack(package, root):
    for entry in package.entries:
        path = root / entry.name
        if entry.kind == ipk.DIRECTORY:
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(entry.data)
        path.chmod(entry.mode)
    return root


# --- what opkg reads ---

def test_the_control_fields(made, package):
    control = package.control
    assert made[1].name == f"portico_{control['Version']}_{control['Architecture']}.ipk"
    assert control["Package"] == "portico" and control["Architecture"] == ARCH
    users = control["Require-User"].split()
    assert [user.split(":")[0].split("=")[0] for user in users] == ["portico", "portico-edge"]
    assert {"kmod-nft-core", "kmod-nft-nat", "kmod-nft-fib", "kmod-nf-conntrack-netlink"} <= needs(package)


def needs(package):
    return set(package.control["Depends"].split(", "))


def test_all_that_a_router_needs_is_in(package):
    files = {entry.name[1:]: entry for entry in package.entries if entry.kind == ipk.FILE}
    installed = {path.relative_to(BUILT / "root") for path in (BUILT / "root").rglob("*") if path.is_file()}
    assert {pathlib.Path(name[1:]) for name in files} == installed
    for path in (TREE / "openwrt" / "files").rglob("*"):
        if path.is_file():
            assert files["/" + str(path.relative_to(TREE / "openwrt" / "files"))].data == path.read_bytes()
    for name in ("/usr/sbin/porticod", "/usr/bin/portico", "/etc/init.d/portico"):
        assert files[name].mode == 0o755


def test_the_scripts_are_those_that_openwrt_writes(package):
    for name in ("postinst", "prerm"):
        assert package.scripts[name].splitlines()[-2:] == [b'. "${IPKG_INSTROOT}/lib/functions.sh"',
                                                           f'default_{name} "$0" "$@"'.encode()]
    for name, script in package.scripts.items():
        subprocess.run(["sh", "-n"], input=script, check=True)


# --- programs ---

@pytest.fixture(params=["usr/sbin/porticod", "usr/bin/portico"])
def program(request, unpacked):
    return unpacked / request.param


def readelf(program, *options):
    return subprocess.run(["readelf", "-W", *options, program], capture_output=True, text=True, check=True).stdout


def test_programs_are_for_the_architecture(program):
    header = readelf(program, "-h")
    for name, value in (("Class", CLASS), ("Machine", MACHINE), ("Type", "DYN (Position-Independent Executable file)")):
        assert re.search(rf"{name}: +{re.escape(value)}$", header, re.MULTILINE), header
    assert DATA in re.search(r"Data: +(.*)", header)[1]
    assert f"[Requesting program interpreter: /lib/ld-musl-{LOADER}.so.1]" in readelf(program, "-l")


def test_programs_need_only_what_the_package_depends_on(program, package, made):
    dynamic = readelf(program, "-d")
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    assert needed and set(needed) <= set(PROVIDER), f"nobody brings {needed}"
    assert {PROVIDER[soname] for soname in needed} <= needs(package)
    assert "dynamic, needs" in made[0]
    assert not re.search("RPATH|RUNPATH|TEXTREL", dynamic)
    assert "BIND_NOW" in dynamic


def test_programs_are_stripped_and_tell_nothing_of_where_they_were_made(program):
    assert not re.search(r"\.symtab|\.debug", readelf(program, "-S"))
    data = program.read_bytes()
    for path in (str(TREE), str(pathlib.Path.home()) + "/", "/build/", "sysroot", "/usr/include", "/usr/lib/gcc"):
        assert path.encode() not in data, path


@pytest.mark.skipif(not EMULATOR, reason="the lab shows it")
def test_programs_of_another_machine_are_loaded(program, tmp_path):
    """Its libraries are those that it was linked with: of libnftnl there are names and no code."""
    if not shutil.which(EMULATOR):
        pytest.skip(f"no {EMULATOR}")
    for name in PROVIDER:
        stub = BUILT / "sysroot" / "lib" / name.replace(".so.11", ".so").replace(".so.1", ".so")
        if stub.exists():
            (tmp_path / name).symlink_to(stub)
    done = subprocess.run([EMULATOR, *loaded(program, BUILT / "sysroot", tmp_path), "--version"], capture_output=True, text=True, check=False)
    assert re.fullmatch(r"porticod? \d+\.\d+\.\d+\n", done.stdout), done.stderr


# --- the packaged daemon ---

@pytest.fixture(scope="module")
def wrapped(unpacked, tmp_path_factory):
    """A directory with the package's porticod and portico, for the lab."""
    if EMULATOR:
        pytest.skip("qemu-user has no netlink")
    return wrap(unpacked, BUILT / "sysroot", tmp_path_factory.mktemp("wrapped"))


@pytest.fixture(scope="module")
def later(made, tmp_path_factory):
    """The package of the next version: what names the version is compiled anew, the rest as it is."""
    build = tmp_path_factory.mktemp("later")
    there = build / "ipk" / ARCH
    shutil.copytree(BUILT / "portico", there / "portico", symlinks=True)
    (build / "ipk" / "src").symlink_to(BUILT.parent / "src")
    (there / "sysroot").symlink_to(BUILT / "sysroot")
    for source in TREE.glob("daemon/**/*.c"):
        if "PORTICO_VERSION" in source.read_text():
            (there / "portico/small/obj" / source.relative_to(TREE)).with_suffix(".o").unlink()
    make("ipk", f"ARCH={ARCH}", f"BUILD={build}", f"ASSETS={TREE / 'build/webui/assets.c'}", "VERSION=0.1.1")
    return ipk.read(only(build, "*.ipk").read_bytes())


PUBLIC = "192.168.18.58"
CONFIG = {"uplinks": [{"name": "outside", "device": "eth0"}], "networks": [{"name": "lan", "devices": ["eth1"]}],
          "forwards": [{"name": "web", "external_ports": "8888", "internal_address": "192.168.2.73",
                        "internal_ports": "9999", "backend_sees": "router"}]}


def test_the_packaged_daemon_forwards_a_packet(wrapped, lab_factory):
    lab = lab_factory(topologies.one_router())
    lab.backend.serve(9999)
    with Porticod(lab.router, build=wrapped) as daemon:
        executable = os.readlink(f"/proc/{daemon.process.pid}/exe")
        assert executable == str(BUILT / "sysroot" / "lib" / "libc.so"), "it is not the package that runs"
        daemon.api.put("/config", CONFIG).expect(200)
        assert lab.client.ask(PUBLIC, 8888).server == "backend"
        status = daemon.cli("status").stdout
        assert "1 live" in status and "outside" in status


def test_an_upgrade_of_the_package_leaves_connections_alone(wrapped, later, lab_factory, tmp_path):
    """opkg stops the service, unpacks, starts it."""
    lab = lab_factory(topologies.one_router())
    with Porticod(lab.router, build=wrapped) as daemon:
        daemon.api.put("/config", CONFIG).expect(200)
        before = daemon.cli("config", "show").stdout
        with Source(lab.backend, 9999), Sink(lab.client, PUBLIC, 8888) as sink:
            daemon.stop()
            sink.goes_on()
            daemon.build = wrap(unpack(later, tmp_path), BUILT / "sysroot", tmp_path)
            daemon.start()
            sink.goes_on()
            assert '"0.1.1"' in daemon.cli("status", "--json").stdout
            assert daemon.cli("config", "show").stdout == before
            with Sink(lab.client, PUBLIC, 8888):
                sink.goes_on()


# --- the release ---

def test_a_release_builds_the_same_package_without_node_and_git(made, tmp_path):
    said = make("dist")
    release = TREE / "build" / re.search(r"portico-[\d.]+\.tar\.gz", said)[0]
    first = hashlib.sha256(release.read_bytes()).digest()
    make("dist")
    clean = subprocess.run(["git", "status", "--porcelain", "--untracked-files=no"], cwd=TREE, capture_output=True,
                           check=True).stdout == b""
    if clean:
        assert hashlib.sha256(release.read_bytes()).digest() == first
    subprocess.run(["tar", "-xzf", release, "-C", tmp_path], check=True)
    tree = tmp_path / release.name.removesuffix(".tar.gz")
    assert not (tree / ".git").exists()

    stubs = tmp_path / "bin"
    stubs.mkdir()
    for name in ("node", "npm", "npx", "git"):
        (stubs / name).write_text(f"#!/bin/sh\necho {name} $* >>{stubs}/called\nexit 1\n")
        (stubs / name).chmod(0o755)
    # Debian's sources, and the libraries made of them, are not made twice.
    (tree / "build" / "ipk" / ARCH).mkdir(parents=True)
    (tree / "build" / "ipk" / "src").symlink_to(TREE / "build" / "ipk" / "src")
    (tree / "build" / "ipk" / ARCH / "sysroot").symlink_to(BUILT / "sysroot")
    (BUILT / "sysroot" / "ready").touch()   # the release's files may be younger
    make("ipk", f"ARCH={ARCH}", tree=tree, PATH=f"{stubs}:{os.environ['PATH']}")
    assert not (stubs / "called").exists(), (stubs / "called").read_text()
    assert only(tree / "build", "*.ipk").read_bytes() == made[1].read_bytes()


# --- the reader is no friend ---

CONTROL = """Package: portico
Version: 1.0-r1
Depends: libc
License: GPL-2.0-or-later
Section: net
Require-User: portico:portico
Maintainer: somebody
Architecture: x86_64
Installed-Size: {size}
Description: it forwards
"""


def tar(entries, kind=tarfile.GNU_FORMAT, uid=0):
    """entries: (name, bytes or None for a directory, mode)"""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for name, data, mode in entries:
            info = tarfile.TarInfo(name)
            info.mode, info.uid, info.gid = mode, uid, uid
            info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            info.size = len(data or b"")
            archive.addfile(info, io.BytesIO(data or b""))
    return out.getvalue()


def zipped(data):
    return gzip.compress(data, mtime=0)


FILES = [("./", None, 0o755), ("./usr/", None, 0o755), ("./usr/portico", b"program", 0o755)]
ORDER = ["./debian-binary", "./data.tar.gz", "./control.tar.gz"]


def build(files=FILES, control=CONTROL, scripts=(), order=tuple(ORDER), outer=tarfile.GNU_FORMAT, inner=tarfile.GNU_FORMAT, uid=0,
          version=b"2.0\n"):
    data = tar(files, inner, uid)
    control = control.format(size=len(data)).encode()
    members = {"./debian-binary": version, "./data.tar.gz": zipped(data),
               "./control.tar.gz": zipped(tar([("./", None, 0o755), ("./control", control, 0o644), *scripts]))}
    return zipped(tar([(name, members["./" + name.removeprefix("./")], 0o644) for name in order], outer))


def ar(data):
    """What Debian's packages are in."""
    return b"!<arch>\n" + f"{'debian-binary':16}{0:<12}{0:<6}{0:<6}{'100644':8}{len(data):<10}`\n".encode() + data


def test_the_reader_takes_a_good_one():
    assert ipk.read(build()).control["Package"] == "portico"


@pytest.mark.parametrize("data, complaint", [
    (ar(build()), "no gzip"),
    (build(outer=tarfile.PAX_FORMAT), "another kind"),
    (build(inner=tarfile.PAX_FORMAT), "another kind"),
    (build(inner=tarfile.USTAR_FORMAT), "another kind"),
    (build(order=[ORDER[0], ORDER[2], ORDER[1]]), "members are"),
    (build(order=[ORDER[0], ORDER[2]]), "members are"),
    (build(order=["debian-binary", *ORDER[1:]]), "not a name below"),
    (build(version=b"2.0"), "not 2.0"),
    (gzip.compress(gzip.decompress(build()), mtime=1), "a name, a time"),
    (build() + b"\0", "follows the gzip"),
    (build()[:-20], "ends early"),
    (zipped(gzip.decompress(build()) + b"x" * 512), "something follows"),
    (build(uid=1000), "belongs to"),
    (build(files=[FILES[0], FILES[2]]), "without its directory"),
    (build(files=FILES[1:]), "does not begin"),
    (build(files=[*FILES, ("/etc/passwd", b"", 0o644)]), "not a name below"),
    (build(files=[*FILES, ("./usr/../passwd", b"", 0o644)]), "not a name below"),
    (build(files=[*FILES, FILES[2]]), "twice"),
    (build(files=[*FILES, ("./usr/su", b"", 0o4755)]), "mode 4755"),
    (build(files=[*FILES, ("./usr/open", b"", 0o666)]), "mode 666"),
    (build(control=CONTROL.replace("{size}", "7")), "Installed-Size"),
    (build(control=CONTROL.replace("Require-User: portico:portico\n", "")), "no Require-User"),
    (build(control=CONTROL.replace("libc", "libc (>= 1)")), "Depends"),
    (build(control=CONTROL + "\n"), "empty line"),
    (build(scripts=[("./postinst", b"#!/bin/sh\n", 0o644)]), "no script"),
    (build(scripts=[("./conffiles", b"/etc/portico.conf\n", 0o644)]), "is not in the package"),
])
def test_the_reader_refuses(data, complaint):
    with pytest.raises(ipk.Refused, match=complaint):
        ipk.read(data)
