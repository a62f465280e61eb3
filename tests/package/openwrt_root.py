# SPDX-License-Identifier: GPL-2.0-or-later
"""A directory that is to the package what a router is: what `make install-openwrt` lays out, busybox and the libraries beside
it, and stand-ins for OpenWrt's rc.common and procd. Everything runs inside, with chroot, in a namespace of a lab if there is one.

    root = Root(directory).install()
    root.write("etc/config/network", ...)
    root.run(["/bin/busybox", "ash", "-c", ". /etc/uci-defaults/80-portico"])
    procd = Procd(root, lab.router)
    procd.init("start")                  # the instances run, as procd would have started them
"""
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess

from lab.lab import command, wait_for
from lab.porticod import TREE, build_dir, environment

SHELLS = {"ash": ["/bin/busybox", "ash"], "dash": ["/bin/dash"]}
USERS = {"root": 0, "portico": 32768, "portico-edge": 32769, "nobody": 65534}
RUN_TIMEOUT_S = 60
# What the scripts of the package use, and nothing else: of an OpenWrt image's all are there.
APPLETS = ("sh", "awk", "cat", "chmod", "chown", "find", "gzip", "kill", "ln", "mkdir", "rm", "sed", "sleep", "tar")

# In a line of /tmp/procd stands what procd is told, the words parted by tabs. `kill` comes true here, because a hook may wait
# for it: of the processes that Procd, below, has started.
RC_COMMON = r"""
initscript=$1
action=$2

tell() {
	local IFS="	"
	echo "$*" >>/tmp/procd
}
for name in open_instance set_param close_instance add_reload_trigger send_signal kill; do
	eval "procd_$name() { tell $name \"\$@\"; }"
done
procd_kill() {
	tell kill "$@"
	[ ! -s /tmp/procd.pids ] || kill $(cat /tmp/procd.pids) 2>/dev/null || true
}
stop_service() { return 0; }
service_triggers() { return 0; }

. "$initscript"

start() {
	start_service
	service_triggers
}
stop() {
	stop_service
	procd_kill "${initscript##*/}"
}
reload() { reload_service; }

"$action"
"""


def missing():
    """Why nothing of this can run here, or None."""
    if os.geteuid() != 0:
        return "chroot and chown need root"
    for program in ("busybox", "dash"):
        if not shutil.which(program):
            return f"no {program}: make deps-test"
    return None


class Root:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.build = build_dir()

    def path(self, inside):
        return self.directory / str(inside).lstrip("/")

    def write(self, inside, text, mode=0o644):
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def install(self):
        """Lays out the package and what OpenWrt has by itself."""
        self.unpack(self.build)
        for name in ("tmp", "proc", "dev", "bin", "etc/config"):
            self.path(name).mkdir(parents=True, exist_ok=True)
        self.path("var").symlink_to("/tmp")
        self.write("etc/passwd", "".join(f"{name}:x:{i}:{i}::/:/bin/false\n" for name, i in USERS.items()))
        self.write("etc/group", "".join(f"{name}:x:{i}:\n" for name, i in USERS.items()))
        self.write("etc/rc.common", RC_COMMON)
        self._programs()
        return self

    def unpack(self, build):
        """Lays out the package, over one that may be there."""
        command(["make", "-s", "-C", str(TREE), "-o", "all", "install-openwrt", f"OUT={build}", f"DESTDIR={self.directory}"])

    def _programs(self):
        busybox, dash = (pathlib.Path(shutil.which(name)).resolve() for name in ("busybox", "dash"))
        shutil.copy(busybox, self.path("bin/busybox"))
        shutil.copy(dash, self.path("bin/dash"))
        for applet in APPLETS:
            self.path(f"bin/{applet}").symlink_to("busybox")
        for program in (busybox, dash, self.build / "porticod", self.build / "portico"):
            listed = command(["ldd", str(program)], check=False).stdout
            for library in (word for word in listed.split() if word.startswith("/")):
                self.path(library).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, self.path(library))

    def argv(self, argv):
        """The command line that runs `argv` inside. Mounts are those of the process, and end with it."""
        script = 'for d in proc dev; do mount --rbind /$d "$0/$d" || exit; done; exec chroot "$0" "$@"'
        return ["unshare", "--mount", "sh", "-c", script, str(self.directory), *argv]

    def run(self, argv, host=None, check=True, **env):
        argv = self.argv(argv)
        done = subprocess.run(host.wrap(argv) if host else argv, capture_output=True, text=True, check=False,
                              timeout=RUN_TIMEOUT_S, stdin=subprocess.DEVNULL, env=self.environment(**env))
        assert not check or done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def environment(self, **more):
        return environment(PATH="/usr/sbin:/usr/bin:/sbin:/bin", **more)

    def shell(self, script, shell="ash", **options):
        return self.run([*SHELLS[shell], "-c", script], **options)

    def told(self):
        """What procd was told since the last time: lists of words."""
        path = self.path("tmp/procd")
        lines = [line.split("\t") for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def init(self, action, shell="ash", check=True, host=None):
        """/etc/init.d/portico ACTION: what procd is told."""
        self.path("tmp/procd").unlink(missing_ok=True)
        self.run([*SHELLS[shell], "/etc/rc.common", "/etc/init.d/portico", action], check=check, host=host)
        return self.told()


def instances(told):
    """{name: {parameter: words}} of what an init script told procd at a start."""
    found = {}
    for verb, *words in told:
        if verb == "open_instance":
            current = found[words[0]] = {}
        elif verb == "set_param":
            current[words[0]] = words[1:]
    return found


class Procd:
    """Runs what the init script says, as procd does: a start of what runs already changes nothing, unless the command or a file
    of it is another."""

    def __init__(self, root, host):
        self.root = root
        self.host = host
        self.log_path = root.directory.with_suffix(".log")
        self.processes = {}   # by instance
        self._configured = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()

    def log(self):
        return self.log_path.read_text(errors="replace")

    def init(self, action):
        told = self.root.init(action, host=self.host)
        if any(words[0] == "kill" for words in told):
            self.wait()
        for words in told:
            if words[0] == "send_signal":
                self.processes[words[2]].send_signal(getattr(signal, "SIG" + words[3]))
        for name, parameters in instances(told).items():
            self._start(name, parameters)
        return told

    def wait(self):
        """Until all have ended, because somebody told them to."""
        for name, process in self.processes.items():
            assert process.wait(15) == 0, f"{name}: {process.returncode}\n{self.log()}"
        self.processes.clear()
        self._configured.clear()
        self._write_pids()

    def _start(self, name, parameters):
        sums = [hashlib.md5(self.root.path(file).read_bytes()).hexdigest() for file in parameters.get("file", [])]
        running = name in self.processes and self.processes[name].poll() is None
        if running and self._configured[name] == (parameters, sums):
            return
        if running:
            self.processes[name].terminate()
            assert self.processes[name].wait(15) == 0, f"{name}: {self.processes[name].returncode}\n{self.log()}"
        with self.log_path.open("ab") as log:
            self.processes[name] = self.host.spawn(self.root.argv(parameters["command"]), stdin=subprocess.DEVNULL, stdout=log,
                                                   stderr=log, start_new_session=True, env=self.root.environment())
        self._configured[name] = (parameters, sums)
        self._write_pids()

    def _write_pids(self):
        self.root.write("tmp/procd.pids", " ".join(str(p.pid) for p in self.processes.values() if p.poll() is None))

    def cli(self, *arguments, check=True):
        return self.root.run(["/usr/bin/portico", *arguments], host=self.host, check=check)

    def wait_until_ready(self):
        wait_for(lambda: self.processes["porticod"].poll() is not None or self.cli("status", check=False).returncode == 0, 30,
                 "an answer of the daemon", interval=0.1)
        assert self.processes["porticod"].poll() is None, self.log()
