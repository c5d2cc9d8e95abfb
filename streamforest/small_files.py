"""Small files that a user names: read whole, if they are files and not too long."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_BYTES = 2**20


def read_small_file(path: Path, most: int = MOST_BYTES) -> bytes:
    """What a file holds.

    A named pipe would be waited for, and a device need not end.

    Parameters
    ----------
    path : Path
        A link to a file is one.
    most : int
        Bytes that it may have.

    Raises
    ------
    OSError
        It cannot be read, is no file or is longer.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "that is no file")
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"that has more than {most:,} bytes")
    return content
