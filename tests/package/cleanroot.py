# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian with nothing in it but what a package asks for, to install that in.

    with CleanRoot(lab.router, packages=["libc6"]) as root:
        root.install(path_of_a_deb)
        root.run("portico status")

Commands run in the root and in the network of a lab's host. There is no service manager in it: `systemctl` beside this
file plays it, if root.manage() was called.
"""
import contextlib
import hashlib
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import tempfile

from lab.lab import command, wait_for
from lab.porticod import Porticod

TREE = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ["sources.list.d/*debian*.sources", "sources.list"]  # where Debian's installers write them
BUILD_S = 600
COMMAND_S = 120
APT = ["-o", "Dpkg::Use-Pty=0", "--no-install-recommends"]
# What dpkg, apt, mount and the stand-in of systemctl write down about their own work.
BOOKKEEPING = ("proc/", "dev/", "tmp/", "var/log/", "var/cache/", "var/lib/apt/", "var/lib/dpkg/", "run/mount/",
               "run/porticod.")


def tarball(packages):
    """Made once, with the machine's own sources: some 40 s, most of them unpacking."""
    release = dict(line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
    suite = release["VERSION_CODENAME"]
    sources = next(path for pattern in SOURCES for path in pathlib.Path("/etc/apt").glob(pattern))
    key = hashlib.sha256("\n".join([suite, sources.read_text(), *packages]).encode()).hexdigest()[:12]
    tar = TREE / "build" / "package" / f"root-{key}.tar"
    if not tar.exists():
        tar.parent.mkdir(parents=True, exist_ok=True)
        part = tar.with_suffix(f".{os.getpid()}.tar")
        command(["mmdebstrap", "--quiet", "--mode=root", "--variant=apt", "--dpkgopt=force-unsafe-io",
                 '--aptopt=Acquire::Languages "none"', f"--include={','.join(packages)}", suite, part, sources],
                timeout=BUILD_S)
        part.rename(tar)
    return tar


class CleanRoot:
    def __init__(self, host, packages):
        self.host = host
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="portico-root-"))
        try:
            command(["tar", "-xf", tarball(packages), "-C", self.path], timeout=COMMAND_S)
        except BaseException:
            shutil.rmtree(self.path)
            raise
        Porticod.open.append(self)  # shown when a test fails

    def log(self):
        log = self.path / "run/porticod.log"
        return log.read_text() if log.exists() else ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Whatever runs in the host's network was started here."""
        def alive():
            pids = [int(pid) for pid in command(["ip", "netns", "pids", self.host.netns]).stdout.split()]
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return pids
        Porticod.open.remove(self)
        wait_for(lambda: not alive(), what="what was started in a clean root to end")
        shutil.rmtree(self.path)

    def run(self, argv, check=True):
        """Runs a command inside. /proc is the machine's: who writes a sysctl is seen by those who watch it."""
        argv = argv.split() if isinstance(argv, str) else argv
        inside = 'mount --bind "$0" "$0"; mount --bind /proc "$0/proc"; exec chroot "$0" "$@"'
        return command(self.host.wrap(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive",
                                       "unshare", "--mount", "sh", "-ec", inside, self.path, *argv]),
                       check=check, timeout=COMMAND_S)

    def manage(self):
        """From here on there is a service manager."""
        (self.path / "run/systemd/system").mkdir(parents=True)
        shutil.copy(pathlib.Path(__file__).with_name("systemctl"), self.path / "usr/bin/systemctl")

    def install(self, deb):
        """What it said."""
        shutil.copy(deb, self.path / "tmp")
        done = self.run(["apt-get", "install", "-qy", *APT, f"/tmp/{pathlib.Path(deb).name}"])
        return done.stdout + done.stderr

    def remove(self, *options):
        done = self.run(["apt-get", "remove", "-qy", *APT, *options, "portico"])
        return done.stdout + done.stderr

    def files(self):
        """Path: what can be told of it without its times. The contents count in /etc."""
        seen = {}
        for folder, folders, names in os.walk(self.path):
            for name in folders + names:
                path = pathlib.Path(folder, name)
                short = str(path.relative_to(self.path))
                if f"{short}/".startswith(BOOKKEEPING):
                    continue
                status = path.lstat()
                facts = [stat.filemode(status.st_mode), status.st_uid, status.st_gid]
                if path.is_symlink():
                    facts.append(os.readlink(path))
                elif path.is_file() and short.startswith("etc/"):
                    facts.append(path.read_bytes())
                seen[short] = facts
        return seen
