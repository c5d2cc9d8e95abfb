"""A terminal for tests: a shell on it, and an emulator that knows what it shows."""

import os
import threading
import time

import pyte
import pytest

from tests.shells import SECONDS, Shell


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


class Terminal(Shell):
    """A shell in a terminal of some size; ``page`` is the colour that it says its page has."""

    def __init__(self, folder, columns=80, rows=24, page=None, **environment):
        self._page = page
        self.written = b""
        self._lock = threading.Condition()  # notified of all that comes
        self._seen, self._lines = -1, []  # the lines, as they were after so many bytes
        self.emulator = Emulator(columns, rows)
        self.emulator.answer = lambda data: self.send(data.encode())
        self._stream = pyte.ByteStream(self.emulator)
        super().__init__(folder, (columns, rows), **{"TERM": "xterm-256color"} | environment)

    def take(self, content):
        with self._lock:
            self.written += content
            if b"\x1b]11;?" in content and self._page is not None:
                self.send(f"\x1b]11;rgb:{self._page}\x1b\\".encode())
            self._stream.feed(content)
            self._lock.notify_all()

    def resize(self, columns, rows):
        with self._lock:
            self.emulator.resize(rows, columns)
            self._seen = -1
        self.set_size(columns, rows)

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

    def hang_up(self):
        """Close the terminal, as by a lost connection; returns the number of the program that ran on it."""
        program = self.program
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1
        return program
