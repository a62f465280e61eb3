# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs of tests/net/*.c, which take commands as tests/net/commands.h says."""
import subprocess


class Driver:
    """`wrapper`: a command that starts the program, such as setpriv with its options."""

    def __init__(self, host, program, wrapper=()):
        self.process = host.spawn([*wrapper, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = []
        while True:
            got = self.process.stdout.readline()
            assert got, f"the driver ended at {line!r}"
            if got == ".\n":
                return answer
            answer.append(got.rstrip("\n"))

    def text(self, line):
        return "\n".join(self.ask(line)) + "\n"

    def close(self):
        """It must end well: without leaks, where the sanitizers are built in."""
        self.process.stdin.close()
        assert self.process.wait(10) == 0
