"""Batches that were taken and are in no checkpoint yet, in files beside it, to be judged again after a kill.

``PATH.batches.N`` holds batches in their order, each as its length and CRC-32 (uint32, little-endian) and its bytes.
With each checkpoint the next file begins; files that no checkpoint needs are deleted.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from streamforest.storage.file_mark import sync_folder

_START = struct.Struct("<II")


class Place(NamedTuple):
    """Number of a file, and how many of its batches stand before it."""

    file: int
    batches: int


class BatchLog:
    """The files of a path; one thread writes and reads them, another one may delete those that are not needed.

    Parameters
    ----------
    path : Path
        Of the checkpoint.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0  # of the file that is written
        self._count = 0  # of the batches in it
        self._descriptor: int | None = None
        self._last = Place(0, 0)  # behind the newest batch

    @property
    def end(self) -> Place:
        """Where the next batch goes."""
        return Place(self._number, self._count)

    def is_behind_all(self, place: Place) -> bool:
        """Whether no batch stands behind a place, which may lie at the end of a file or at the start of the next."""
        return place in (self._last, self.end)

    def begin(self) -> None:
        """Begin the first file; what is there of earlier runs is deleted. Raises OSError."""
        for number in self._numbers():
            self._file(number).unlink(missing_ok=True)
        self._open(1)

    def has(self, place: Place) -> bool:
        """Whether the file of a place is there."""
        return self._file(place.file).exists()

    def since(self, place: Place) -> Iterator[tuple[Place, bytes]]:
        """Batches from a place on, each with the place behind it; then a new file begins. Raises OSError."""
        numbers = [number for number in self._numbers() if number >= place.file]
        for number in numbers:
            skipped = place.batches if number == place.file else 0
            for count, batch in enumerate(_batches_of(self._file(number).read_bytes()), 1):
                if count > skipped:
                    yield Place(number, count), batch
        self._open(max(numbers, default=place.file) + 1)

    def add(self, batches: Sequence[bytes]) -> list[Place]:
        """Add batches, which are on the disk when it returns; gives the place behind each.

        Raises OSError where they are not on the disk: none is in the file then.
        """
        assert self._descriptor is not None
        good = os.lseek(self._descriptor, 0, os.SEEK_END)
        block = b"".join(_START.pack(len(batch), zlib.crc32(batch)) + batch for batch in batches)
        left = memoryview(block)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, good)
            raise
        first, self._count = self._count + 1, self._count + len(batches)
        self._last = self.end
        return [Place(self._number, count) for count in range(first, self._count + 1)]

    def turn(self) -> None:
        """Begin the next file, unless nothing is in this one. Raises OSError."""
        if self._count:
            self._open(self._number + 1)

    def forget_before(self, place: Place) -> None:
        """Delete the files before that of a place."""
        for number in self._numbers():
            if number < place.file:
                with suppress(OSError):
                    self._file(number).unlink()

    def close(self) -> None:
        """Close the file that is written; may be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self, number: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self._file(number), flags, 0o600)
        self.close()
        self._descriptor, self._number, self._count = descriptor, number, 0
        sync_folder(self._path.parent)

    def _file(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.batches.{number}")

    def _numbers(self) -> list[int]:
        """Of the files that are there, in order."""
        name = re.compile(re.escape(self._path.name) + r"\.batches\.([1-9]\d{0,17})")
        found = (name.fullmatch(path.name) for path in self._path.parent.iterdir())
        return sorted(int(match[1]) for match in found if match)


def _batches_of(content: bytes) -> Iterator[bytes]:
    """The whole batches of a file: the last one may be torn."""
    at = 0
    while at + _START.size <= len(content):
        length, checksum = _START.unpack_from(content, at)
        batch = content[at + _START.size : at + _START.size + length]
        if len(batch) < length or zlib.crc32(batch) != checksum:
            return
        yield batch
        at += _START.size + length
