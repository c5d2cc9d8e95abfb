"""A terminal for tests: a pseudo-terminal, a shell with job control on it, and an emulator that knows what it shows."""

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

import pyte
import pytest

PROJECT = Path(__file__).parents[1]
TAKE_TERMINAL = """
import fcntl, os, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"])
"""
SECONDS = 120  # that anything may take on a machine that is busy with other things


class Emulator(pyte.Screen):
    """What a terminal shows; it answers what it is asked, and leaves its second screen as real ones do."""

    answer = None
    kept = None

    def write_process_input(self, data):
        if self.answer is not None:
            self.answer(data)

    def set_mode(self, *modes, **options):
        if 1049 in modes and self.kept is None:
            self.kept = [*self.display], self.cursor.y
        super().set_mode(*modes, **options)

    def reset_mode(self, *modes, **options):
        super().reset_mode(*modes, **options)
        if 1049 in modes and self.kept is not None:
            lines, row = self.kept
            self.kept = None
            self.erase_in_display(2)
            for number, line in enumerate(lines):
                self.cursor_position(number + 1, 1)
                self.draw(line.rstrip())
            self.cursor_position(row + 1, 1)

    @property
    def is_second(self):
        """Whether the second screen is shown."""
        return self.kept is not None


class Terminal:
    """A shell in a terminal of some size; ``page`` is the colour that it says its page has."""

    def __init__(self, folder, columns=80, rows=24, page=None, **environment):
        self.folder, self._page = folder, page
        self.written = b""
        self._lock = threading.Condition()  # notified of all that comes
        self._seen, self._lines = -1, []  # the lines, as they were after so many bytes
        self.emulator = Emulator(columns, rows)
        self.emulator.answer = lambda data: self._send(data.encode())
        self._stream = pyte.ByteStream(self.emulator)
        self._master, self._slave = pty.openpty()
        self._resize(columns, rows)
        around = {**os.environ, "PS1": "$ ", "TERM": "xterm-256color", "DISPLAY": "", "WAYLAND_DISPLAY": ""}
        for name in ("NO_COLOR", "COLORTERM", "COLORFGBG", "FORCE_COLOR"):
            around.pop(name, None)
        self.shell = subprocess.Popen(
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
            with self._lock:
                self.written += content
                if b"\x1b]11;?" in content and self._page is not None:
                    self._send(f"\x1b]11;rgb:{self._page}\x1b\\".encode())
                self._stream.feed(content)
                self._lock.notify_all()

    def _send(self, content):
        with suppress(OSError):
            os.write(self._master, content)

    def _resize(self, columns, rows):
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        with self._lock:
            self.emulator.resize(rows, columns)
            self._seen = -1
        self._resize(columns, rows)

    def modes(self):
        return termios.tcgetattr(self._slave)

    def type(self, text):
        self._send(text.encode())

    def main(self, *arguments, end="\n"):
        words = [sys.executable, PROJECT / "main.py", "--detector", "z-score", "--log", "none", "--images", "pictures"]
        self.type(" ".join(str(word) for word in [*words, *arguments]) + end)

    @property
    def lines(self):
        with self._lock:
            if self._seen != len(self.written):  # to put the lines together takes longer than to draw them
                self._seen, self._lines = len(self.written), [*self.emulator.display]
            return self._lines

    @property
    def text(self):
        return "\n".join(line.rstrip() for line in self.lines)

    def colour_at(self, row, column):
        """Foreground and background of a cell."""
        with self._lock:
            cell = self.emulator.buffer[row][column]
            return cell.fg, cell.bg

    def wait_for(self, words):
        self.wait(lambda: words in self.text)

    def wait(self, is_so):
        """Wait for what is shown, looked at when something was written, or for what leaves no trace there."""
        ends = time.monotonic() + SECONDS
        while True:
            looked_at = len(self.written)
            if is_so():
                return
            if time.monotonic() > ends:
                pytest.fail(f"not within {SECONDS} s; the terminal shows:\n{self.text}")
            with self._lock:
                if len(self.written) == looked_at:
                    self._lock.wait(0.1)

    @property
    def program(self):
        """Number of the process that the shell has started."""
        found = subprocess.run(["pgrep", "-P", str(self.shell.pid)], capture_output=True, text=True, check=False).stdout
        return int(found.split()[0])

    def hang_up(self):
        """Close the terminal, as by a lost connection; returns the number of the program that ran on it."""
        program = self.program
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1
        return program

    def close(self):
        self.type("\x03")
        with suppress(ProcessLookupError):
            self.shell.send_signal(signal.SIGHUP)
        try:
            self.shell.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.shell.kill()
            self.shell.wait()
        for descriptor in (self._slave, self._master):
            with suppress(OSError):
                os.close(descriptor)
        self._reader.join(timeout=5)
