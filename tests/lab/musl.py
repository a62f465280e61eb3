# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs what `make ipk` packed without a router: on the musl that it was compiled against, with libnftnl and libmnl of Debian,
whose two calls that only glibc has are answered by glibc_on_musl.c.

    wrap(root, sysroot, directory)                  # here
    musl.py ROOT SYSROOT DIRECTORY COMPILER...      # on a machine that the compiler is for
"""
import pathlib
import shutil
import subprocess
import sys

SHIM = pathlib.Path(__file__).with_name("glibc_on_musl.c")


def loaded(program, sysroot, libraries, preload=()):
    """The command that starts `program`, as the loader would on the router."""
    return [str(sysroot / "lib" / "libc.so"), "--library-path", str(libraries), *[f"--preload={path}" for path in preload],
            str(program)]


def wrap(root, sysroot, directory, compiler=("gcc",)):
    """Makes `directory`/porticod and portico, which start those of the unpacked package in `root`."""
    shim = directory / "glibc_on_musl.so"
    subprocess.run([*compiler, f"-specs={sysroot}/musl.specs", "-shared", "-fPIC", "-nostdlib", "-o", shim, SHIM], check=True)
    if (sysroot / "lib" / "libgcc_s.so").exists():
        shutil.copy(sysroot / "lib" / "libgcc_s.so", directory / "libgcc_s.so.1")
    for soname in ("libnftnl.so.11", "libmnl.so.0"):
        found = subprocess.run([*compiler, f"-print-file-name={soname}"], capture_output=True, text=True, check=True).stdout
        shutil.copy(found.strip(), directory / soname)
    for program in ("usr/sbin/porticod", "usr/bin/portico"):
        script = directory / pathlib.Path(program).name
        command = " ".join(loaded(root / program, sysroot, directory, [shim]))
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="ascii")
        script.chmod(0o755)
    return directory


if __name__ == "__main__":
    wrap(*map(pathlib.Path, sys.argv[1:4]), compiler=sys.argv[4:])
