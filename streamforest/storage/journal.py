"""What was done, line by line in a file, so that a run that goes on after a kill does not do it again."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from streamforest.small_files import read_small_file
from streamforest.storage.safe_files import whole_file

#: Lines that are kept: the newest. Of a run that is killed only those since its last checkpoint are asked for.
MOST_LINES = 10_000
#: A longer file is none that was written here.
MOST_BYTES = 2**24


class Journal:
    """A set of the newest lines, each on the disk when ``add`` returns; several threads may use it.

    Parameters
    ----------
    path : Path
        The file; its folder is there.
    goes_on : bool
        Whether the lines that are there count; otherwise it begins empty.

    Notes
    -----
    A file that cannot be written is no fault: then things may be done twice.
    """

    def __init__(self, path: Path, *, goes_on: bool) -> None:
        self._path, self._lock, self._file_lock = path, threading.Lock(), threading.Lock()
        self._lines: dict[str, None] = {}
        if goes_on:
            with suppress(OSError):
                text = read_small_file(path, MOST_BYTES).decode(errors="replace")
                self._lines = dict.fromkeys(text.split("\n")[:-1][-MOST_LINES:])  # the last one may be torn
        self._begin()

    def __contains__(self, line: str) -> bool:
        with self._lock:
            return line in self._lines

    def add(self, line: str) -> None:
        """Keep a line, which must have no line end in it; nobody who only looks waits for the disk."""
        with self._file_lock:
            with self._lock:
                self._lines[line] = None
                is_long = len(self._lines) > 2 * MOST_LINES
                if is_long:
                    self._lines = dict.fromkeys([*self._lines][-MOST_LINES:])
            if is_long:
                self._begin()
                return
            with suppress(OSError), self._path.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
                file.flush()
                os.fsync(file.fileno())

    def _begin(self) -> None:
        with suppress(OSError), whole_file(self._path) as file:
            file.write("".join(f"{line}\n" for line in self._lines).encode())
