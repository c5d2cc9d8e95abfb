"""An interactive shell on a pseudo-terminal, which does job control and leaves the terminal's modes alone."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
TAKE_TERMINAL = """
import fcntl, os, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"])
"""
COLOURS = ("NO_COLOR", "COLORTERM", "COLORFGBG", "FORCE_COLOR")
SECONDS = 120  # that anything may take on a machine that is busy with other things


class Shell:
    """The shell; ``text`` is what its terminal has shown, ``before`` the terminal's modes when the shell was ready."""

    def __init__(self, folder, size=None, **environment):
        self.folder = folder
        self._shown = ""
        self._master, self._slave = pty.openpty()
        if size is not None:
            self.set_size(*size)
        around = {name: value for name, value in os.environ.items() if name not in COLOURS}
        around |= {"PS1": "$ ", "TERM": "dumb", "DISPLAY": "", "WAYLAND_DISPLAY": ""}
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL],
            cwd=folder,
            env=around | environment,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait_for("$")
        self.before = self.modes()

    def _read(self):
        while True:
            try:
                content = os.read(self._master, 65536)
            except OSError:
                return
            if not content:
                return
            self.take(content)

    def take(self, content):
        """Take what was written to the terminal."""
        self._shown += content.decode(errors="replace")

    @property
    def text(self):
        return self._shown

    def send(self, content):
        with suppress(OSError):
            os.write(self._master, content)

    def type(self, text):
        self.send(text.encode())

    def set_size(self, columns, rows):
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self):
        return termios.tcgetattr(self._slave)

    def is_cbreak(self):
        return not self.modes()[3] & termios.ICANON

    def main(self, *arguments, end="\n"):
        words = [sys.executable, PROJECT / "main.py", "--detector", "z-score", "--log", "none", "--images", "pictures"]
        self.type(" ".join(str(word) for word in [*words, *arguments]) + end)

    @property
    def program(self):
        """Number of the process that the shell has started."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return int(found.stdout.split()[0])

    def wait_for(self, words, count=1):
        self.wait(lambda: self.text.count(words) >= count)

    def wait(self, is_so):
        ends = time.monotonic() + SECONDS
        while not is_so():
            if time.monotonic() > ends:
                pytest.fail(f"not within {SECONDS} s; the terminal shows:\n{self.text[-4000:]}")
            time.sleep(0.02)

    def pictures(self):
        return len(list((self.folder / "pictures").glob("*.png")))

    def close(self):
        self.type("\x03")
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGHUP)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for descriptor in (self._slave, self._master):
            with suppress(OSError):
                os.close(descriptor)
        self._reader.join(timeout=5)
