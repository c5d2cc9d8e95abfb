"""Files that stay whole: written at once or not at all, or added to line by line with no line torn.

A file is written under a hidden name first, which becomes its own at the end. One that is added to may be moved or
deleted by others meanwhile, and the disk may be full.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from itertools import count
from pathlib import Path
from typing import IO, Any


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
    with suppress(FileNotFoundError):
        hidden.unlink()  # of a killed run that had the same number, as in a container
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


def write_new(path: Path, content: bytes) -> Path:
    """Write a new file whole, with -2, -3 ... behind its stem where the name is taken; returns its path.

    Raises
    ------
    OSError
        It cannot be written; nothing is left behind.
    """
    hidden = hidden_name(path)
    with suppress(FileNotFoundError):
        hidden.unlink()  # of a killed run that had the same number
    try:
        with hidden.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return publish(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)


def publish(hidden: Path, wanted: Path) -> Path:
    """Give a finished file the first free name; returns it."""
    for number in count(1):
        name = wanted if number == 1 else wanted.with_stem(f"{wanted.stem}-{number}")
        try:
            _take_name(hidden, name)
        except FileExistsError:
            continue
        return name
    raise AssertionError("unreachable: the numbers do not end")


def _take_name(hidden: Path, name: Path) -> None:
    """Name a file, or raise FileExistsError; also on file systems that know no links."""
    try:
        os.link(hidden, name)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError, AttributeError):
        name.open("x").close()  # takes the name: the next one gets the next number
        try:
            hidden.replace(name)
        except OSError:
            name.unlink()
            raise


def is_moved(path: Path, descriptor: int) -> bool:
    """Whether another file has the name of an open one, or none has, as after a rotation by another program.

    On Windows an open file can be neither renamed nor deleted.
    """
    try:
        return not os.path.samestat(path.stat(), os.fstat(descriptor))
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
