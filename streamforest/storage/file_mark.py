"""Where in a file a run stood: how long it was and what stood there last, to find the place again."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

#: Bytes before the place that tell whether a file is still the same one.
SPAN = 4096


class FileMark(NamedTuple):
    """A place in a file, and how the file is recognised.

    Attributes
    ----------
    length : int
        Bytes before the place.
    inode : int
        Of the file.
    digest : str
        Of the last SPAN bytes before the place; empty where they could not be read.
    """

    length: int
    inode: int
    digest: str

    def fits(self, descriptor: int) -> bool:
        """Whether an open file is the one of the mark and reaches at least to its place.

        What stands before the place tells; where that is nothing, or cannot be read, the inode does.
        """
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size < self.length:
            return False
        digest = digest_before(descriptor, self.length)
        if self.length and digest and self.digest:
            return digest == self.digest
        return status.st_ino == self.inode


def mark_at(descriptor: int, length: int | None = None) -> FileMark | None:
    """The mark of a place in an open file, of its end without ``length``; None where it is no regular file."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return None
    length = status.st_size if length is None else length
    return FileMark(length, status.st_ino, digest_before(descriptor, length))


def digest_before(descriptor: int, length: int) -> str:
    """Digest of the last SPAN bytes before a place; empty where the file cannot be read.

    A file that is open for writing only is read through a descriptor of its own, where the system has a way.
    """
    with suppress(OSError):
        return _digest(descriptor, length)
    with suppress(OSError):
        other = os.open(f"/dev/fd/{descriptor}", os.O_RDONLY)
        try:
            return _digest(other, length)
        finally:
            os.close(other)
    return ""


def _digest(descriptor: int, length: int) -> str:
    start = max(0, length - SPAN)
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        os.lseek(descriptor, start, os.SEEK_SET)
        blocks = []
        while start < length and (block := os.read(descriptor, length - start)):
            blocks.append(block)
            start += len(block)
    finally:
        os.lseek(descriptor, place, os.SEEK_SET)
    return hashlib.sha256(b"".join(blocks)).hexdigest()


def mark_of(path: Path) -> FileMark | None:
    """The mark of the end of the file of a name; None where there is no regular file that can be read."""
    try:
        descriptor = _open(path)
    except OSError:
        return None
    try:
        return mark_at(descriptor)
    finally:
        os.close(descriptor)


def fits_path(mark: FileMark, path: Path, *, exactly: bool = False) -> bool:
    """Whether the file of a name is the one of a mark; ``exactly``: and ends at its place."""
    try:
        descriptor = _open(path)
    except OSError:
        return False
    try:
        return mark.fits(descriptor) and not (exactly and os.fstat(descriptor).st_size != mark.length)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk itself; Windows has no way, and does so by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    # a named pipe nobody writes to would keep open() waiting
    return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
