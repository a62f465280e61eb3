# SPDX-License-Identifier: GPL-2.0-or-later
"""What a process asks of the kernel: strace, for the length of a block."""
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass

CALLS = "fsync,fdatasync,write,pwrite64,pwritev,sendmsg,sendto,recvmsg,recvfrom"
CTNETLINK, NFTABLES = 1, 10                     # the high byte of a message's type
NFTABLES_READS = {1, 4, 7, 10, 13, 16, 19, 23}      # NFT_MSG_GET*


@dataclass
class Seen:
    """`messages` of netlink that change something (not calls: one call carries many), and their bytes; those that
    only ask; what came back. Connection tracking is left out: there is a message for each flow that ends."""
    syncs: int = 0
    bytes_written: int = 0
    messages: int = 0
    bytes_sent: int = 0
    questions: int = 0
    bytes_received: int = 0


def can_be_seen():
    return shutil.which("strace") is not None


class Syscalls:
    """with Syscalls(pid) as calls: ...; then calls.seen."""

    def __init__(self, pid):
        self._pid = pid
        self.seen = None

    def __enter__(self):
        self._file = tempfile.NamedTemporaryFile("r", prefix="portico-bench-", encoding="ascii", errors="replace")
        self._strace = subprocess.Popen(["strace", "-f", "-yy", "-v", "-s", "0", "-e", f"trace={CALLS}",
                                         "-o", self._file.name, "-p", str(self._pid)],
                                        stderr=subprocess.PIPE, text=True)
        line = self._strace.stderr.readline()
        if "attached" not in line:
            raise RuntimeError(f"strace: {line}{self._strace.stderr.read()}")
        return self

    def __exit__(self, *_):
        self._strace.send_signal(signal.SIGINT)
        self._strace.wait()
        self._strace.stderr.close()
        self.seen = count(self._file)
        self._file.close()


def count(lines):
    seen, begun = Seen(), {}
    for line in lines:
        thread = line.split()[0]
        if "<unfinished" in line:
            begun[thread] = line
            continue
        if " resumed>" in line:
            line = begun.pop(thread, "") + line
        match = re.search(r"\b(\w+)\(\d+<(.*?)>.*\) += (-?\d+)", line, re.DOTALL)
        if match and int(match[3]) >= 0:
            count_call(seen, match[1], match[2], int(match[3]), line)
    return seen


def count_call(seen, call, file, result, line):
    if "sync" in call:
        seen.syncs += 1
    elif "write" in call and file.startswith("/") and not file.startswith("/dev/"):
        seen.bytes_written += result
    elif "NETLINK" in file and call.startswith("recv") and "MSG_PEEK" not in line:
        seen.bytes_received += result
    elif "NETLINK" in file and call.startswith("send"):
        for size, kind in re.findall(r"\{nlmsg_len=(\d+), nlmsg_type=(0x[0-9a-f]+)", line):
            subsystem, number = divmod(int(kind, 16), 256)
            if subsystem == CTNETLINK:
                continue
            if number in NFTABLES_READS if subsystem == NFTABLES else number >= 16 and number % 4 == 2:
                seen.questions += 1
            else:
                seen.messages += 1
                seen.bytes_sent += int(size)
