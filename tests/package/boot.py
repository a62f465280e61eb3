# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package on a machine of its own: Debian's kernel and systemd, in qemu without KVM. Some minutes: `make
test-deb-boot`. What is looked at is in boot-check."""
import contextlib
import pathlib
import re
import shutil
import subprocess

import pytest

from cleanroot import TREE, CleanRoot
from lab.lab import Lab, Node, Topology, command
from test_deb import deb, previous  # noqa: F401 (fixtures)

PACKAGES = ["systemd-sysv", "linux-image-cloud-amd64", "initramfs-tools", "socat", "iproute2", "nftables", "procps"]
IMAGE = "1500M"
BOOT_S = 1800
APPEND = "root=/dev/vda rw console=ttyS0 quiet systemd.mask=serial-getty@ttyS0.service"
UNIT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=sh -c "exec /opt/boot-check >/dev/console 2>&1"
ExecStopPost=systemctl --no-block poweroff
"""


@pytest.fixture
def image(deb, previous, tmp_path):  # noqa: F811
    """The disk, and the folder with kernel and initial RAM disk."""
    depends = command(["dpkg-deb", "-f", deb, "Depends"]).stdout
    packages = [d.split()[0] for d in depends.split(",") if "|" not in d]
    disk, boot = tmp_path / "disk", tmp_path / "boot"
    with Lab(Topology({"nowhere": Node()})) as lab, CleanRoot(lab.nowhere, [*packages, *PACKAGES]) as root:
        root.install(previous)
        shutil.copy(deb, root.path / "opt")
        shutil.copy(pathlib.Path(__file__).with_name("boot-check"), root.path / "opt")
        units = root.path / "etc/systemd/system"
        (units / "boot-check.service").write_text(UNIT)
        (units / "multi-user.target.wants/boot-check.service").symlink_to("/etc/systemd/system/boot-check.service")
        shutil.copytree(root.path / "boot", boot)
        command(["mkfs.ext4", "-q", "-d", root.path, disk, IMAGE], timeout=120)
    return disk, boot


def test_under_systemd(image):
    disk, boot = image
    log = TREE / "build" / "package" / "boot.log"
    with log.open("w") as file, contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(["qemu-system-x86_64", "-cpu", "max", "-m", "1G", "-smp", "2", "-nographic", "-no-reboot",
                        "-nic", "none", "-drive", f"file={disk},if=virtio,format=raw", "-kernel", next(boot.glob("vmlinuz-*")),
                        "-initrd", next(boot.glob("initrd.img-*")), "-append", APPEND],
                       stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=BOOT_S, check=False)
    said = re.findall(r"(?<!re)boot: .*?(?=\s*$)", log.read_text(errors="replace"), re.MULTILINE)
    print("\n".join(said))
    assert "boot: done" in said, f"see {log}"
    assert not [line for line in said if "FAILED" in line]
