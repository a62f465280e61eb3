# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs what `make ipk` packed on this machine: on the musl that it was compiled against, with libnftnl and libmnl of Debian,
whose two calls that only glibc has are answered by glibc_on_musl.c.
"""
import pathlib
import shutil
import subprocess

SHIM = pathlib.Path(__file__).with_name("glibc_on_musl.c")


def loaded(program, sysroot, libraries, preload=()):
    """The command that starts `program`, as the loader would on the router."""
    return [str(sysroot / "lib" / "libc.so"), "--library-path", str(libraries), *[f"--preload={path}" for path in preload],
            str(program)]


def wrap(root, sysroot, directory):
    """Makes `directory`/porticod and portico, which start those of the unpacked package in `root`."""
    shim = directory / "glibc_on_musl.so"
    subprocess.run(["gcc", f"-specs={sysroot}/musl.specs", "-shared", "-fPIC", "-o", shim, SHIM], check=True)
    for soname in ("libnftnl.so.11", "libmnl.so.0"):
        found = subprocess.run(["gcc", f"-print-file-name={soname}"], capture_output=True, text=True, check=True).stdout
        shutil.copy(found.strip(), directory / soname)
    for program in ("usr/sbin/porticod", "usr/bin/portico"):
        script = directory / pathlib.Path(program).name
        command = " ".join(loaded(root / program, sysroot, directory, [shim]))
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="ascii")
        script.chmod(0o755)
    return directory
