# SPDX-License-Identifier: GPL-2.0-or-later
"""How small the packages of `make ipk` are, and what the daemon in the one for x86_64 needs of memory and time (`make size`)."""
import pathlib
import tempfile
import time

import mixes
import routers
from lab.musl import wrap
from lab.porticod import TREE, session
from measure import Sample, memory_mib
from report import Row, Table, at_most

BUILT = TREE / "build" / "ipk"
COUNTS = [0, 100, 10000]
PACKAGE_AIM_KIB = 2560
THIN_AIM_KIB = 400
MEMORY_AIM_MIB = 8
MEMORY_AIM_FORWARDS = 100
REST_S = 3


def run(options):
    del options
    yield sizes()
    with tempfile.TemporaryDirectory() as directory:
        yield memory(wrap(BUILT / "x86_64" / "root", BUILT / "x86_64" / "sysroot", pathlib.Path(directory)))


def sizes():
    rows = []
    for built in sorted(path for path in BUILT.iterdir() if (path / "root").exists()):
        arch = built.name
        whole, thin = ({"daemon": kib(root / "usr/sbin/porticod"), "command": kib(root / "usr/bin/portico"), "package": kib(package)}
                       for root, package in ((built / "root", newest(TREE / "build", arch)),
                                             (built / "thin/root", newest(built / "thin", arch))))
        rows += [Row(arch, whole, at_most(whole["package"], PACKAGE_AIM_KIB, " KiB")),
                 Row("... without libraries", thin, at_most(thin["package"], THIN_AIM_KIB, " KiB"))]
    return Table("size", "What `make ipk` makes, in KiB: stripped, the page in the daemon", ["daemon", "command", "package"], rows)


def newest(directory, arch):
    return max(directory.glob(f"portico_*_{arch}.ipk"), key=lambda path: path.stat().st_mtime)


def kib(path):
    return path.stat().st_size / 1024


def memory(build):
    """Each alone, restarted with its forwards, at rest. The two processes share the program's pages: PSS counts them once."""
    daemon, edge, both, own, starts = {}, {}, {}, {}, {}
    for n in COUNTS:
        column = f"N={n}"
        with routers.Portico(mixes.PLAIN.forwards(n) if n else [], build=build) as router:
            starts[column] = Sample([restart_ms(router) for _ in range(5)]).median
            time.sleep(REST_S)
            pid = router.daemon.process.pid
            others = [other for other in session(pid) if other != pid]
            daemon[column] = memory_mib(pid)
            edge[column] = sum(map(memory_mib, others))
            both[column] = sum(pss_mib(process, "Pss") for process in (pid, *others))
            own[column] = sum(pss_mib(process, "Pss_Anon") for process in (pid, *others))
    aim = at_most(both[f"N={MEMORY_AIM_FORWARDS}"], MEMORY_AIM_MIB, f" MiB with {MEMORY_AIM_FORWARDS} forwards")
    return Table("size", "The package for x86_64 at rest: MiB, and ms until it is ready", list(daemon), [
        Row("daemon, RSS", daemon), Row("its TLS process, RSS", edge), Row("both, PSS", both, aim),
        Row("... of it their own, the rest is programs and libraries", own), Row("start, into a kernel that has all", starts)])


def restart_ms(router):
    router.daemon.stop()
    begin = time.monotonic()
    router.daemon.start()
    return 1000 * (time.monotonic() - begin)


def pss_mib(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise LookupError(name)
