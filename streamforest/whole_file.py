"""A file that is written whole or not at all: under a hidden name first, which becomes the file's own at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path


def hidden_name(path: Path) -> Path:
    """Where a file is before it is whole: beside it."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


@contextmanager
def whole_file(path: Path) -> Iterator[BufferedRandom]:
    """A new file to write, and read again: in place of what is at the path once all is on the disk.

    Raises
    ------
    OSError
        It cannot be written; nothing is left behind, and what was there stays.
    """
    hidden = hidden_name(path)
    with hidden.open("x+b") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            file.close()  # Windows renames no open file
            hidden.replace(path)
        except BaseException:
            with suppress(OSError):
                file.close()
            with suppress(OSError):
                hidden.unlink()
            raise
