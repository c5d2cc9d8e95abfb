"""Adding to a file that others may move or delete, on a disk that may be full: what is needed beside ``open``."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any


def is_moved(path: Path, file: IO[Any]) -> bool:
    """Whether another file has the name of an open one, or none has, as after a rotation by another program.

    On Windows an open file can be neither renamed nor deleted.
    """
    try:
        return not os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return True


def size_of(file: IO[Any]) -> int:
    """Bytes in an open file."""
    return os.fstat(file.fileno()).st_size


def drop_torn(file: IO[Any], size: int) -> None:
    """Close a file of which a write has failed, cut back to the size that it had before: no line stays in part."""
    descriptor = os.dup(file.fileno())
    with suppress(OSError):
        file.close()  # tries once more to write what is left in its memory
    with suppress(OSError):
        os.ftruncate(descriptor, size)
    os.close(descriptor)
