"""A run's state in a file: written atomically, the last two kept, checked before it is believed, one run at a time.

The file, all numbers little-endian:

- 8 bytes ``SFCHECK`` and a line end; version of the format, uint32; bytes of the header, uint32;
- the header, JSON: ``fingerprint``, what the run was made of, by name; ``arrays``, of each its name, shape and type (as
  numpy writes it: ``<f8``, or a list of names, types and shapes); ``pages``, numbers of files that belong to it;
- the arrays' bytes in this order, with nothing between them;
- 32 bytes: SHA-256 of all before.

``PATH`` is the newest, ``PATH.1`` the one before, ``PATH.new`` one that is being written, ``PATH.lock`` is locked while
a run uses them. The folder ``PATH.pages`` has what is too large to be written each time: files of the same form, each
written once under a number of its own, and removed when neither of the two needs it. A file of an earlier version is
brought up step by step by MIGRATIONS; without such a step it is refused, as is a file of a later version. There is no
code in the files, and their reader runs none.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import struct
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from streamforest.protocols import State
from streamforest.storage.file_mark import sync_folder
from streamforest.storage.safe_files import is_moved

MAGIC = b"SFCHECK\n"
VERSION = 2  # 1 had other names for what the records hold, and no pages
MOST_BYTES = 2**35  # of a checkpoint with its pages: a million streams take two thirds of it
MOST_HEADER_BYTES = 2**26
DEEPEST = 10  # records within records

_START = struct.Struct("<8sII")
_DIGEST_BYTES = 32
_PAGE = re.compile(r"[1-9]\d{0,17}", re.ASCII)
_NUMERIC = re.compile(r"[<>|][biufc]\d{1,2}")


class CheckpointError(Exception):
    """A checkpoint cannot be used; the message is for the user."""


class Saved(NamedTuple):
    """What a checkpoint holds.

    Attributes
    ----------
    fingerprint : mapping of str to str
        What the run was made of, by name: source, detector, model, rules.
    state : State
        Of all its parts.
    pages : sequence of int
        Numbers of the files with the rest of it, see :meth:`CheckpointFile.add`.
    """

    fingerprint: Mapping[str, str]
    state: State
    pages: Sequence[int] = ()


#: Version -> what makes the content of the next version out of one of it.
MIGRATIONS: dict[int, Callable[[Saved], Saved]] = {}


class Disk:
    """The operations that a checkpoint is written with, each of which may fail."""

    def create(self, path: Path) -> int:
        """Open a new, empty file of one's own, in place of what is there; returns a descriptor."""
        with suppress(FileNotFoundError):
            path.unlink()  # of a run that was killed, or a link or a pipe that is nobody's
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        return os.open(path, flags, 0o600)

    def write(self, descriptor: int, block: memoryview) -> int:
        """Write some of the bytes, at least one; returns how many."""
        return os.write(descriptor, block)

    def sync(self, descriptor: int) -> None:
        """Have what was written on the disk itself."""
        if sys.platform == "darwin":
            import fcntl  # noqa: PLC0415 - fsync there only hands it to the drive

            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        else:
            os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a file."""
        os.close(descriptor)

    def replace(self, old: Path, new: Path) -> None:
        """Rename a file, in place of another one if there is one."""
        old.replace(new)

    def sync_folder(self, folder: Path) -> None:
        """Have the names in a folder on the disk itself."""
        sync_folder(folder)


class CheckpointFile:
    """The checkpoint of a path, held by one run at a time.

    Parameters
    ----------
    path : Path
        Of the newest one.
    disk : Disk
        What it is written with.

    Raises
    ------
    CheckpointError
        Another run holds it, or its folder cannot be written.

    Attributes
    ----------
    pages : dict of int to State
        What stands in the files that the loaded checkpoint needs, by their numbers; to be taken out.

    Notes
    -----
    At any moment, whatever fails or is torn, the newest one that was written or the one before it can be read: a new
    one is complete and synced, as are its pages, before it gets the name, and the name's old one has got another name
    by then. No page is ever written again; those that neither needs are removed after that.
    """

    def __init__(self, path: Path, disk: Disk | None = None) -> None:
        self.path = path
        self.before = path.with_name(f"{path.name}.1")
        self._new = path.with_name(f"{path.name}.new")
        self._disk = Disk() if disk is None else disk
        self._is_damaged = False  # the newest
        self._folder = path.with_name(f"{path.name}.pages")
        self._needed: tuple[frozenset[int], frozenset[int]] = frozenset(), frozenset()  # by the newest, the one before
        self._number = 0  # of the newest page
        self.pages: dict[int, State] = {}
        file = path.resolve()  # a symbolic link may have another name
        self._lock_path = file.with_name(f"{file.name}.lock")
        self._lock: int | None = _lock(self._lock_path, path)

    def load(self) -> tuple[Saved | None, str]:
        """What was written last, None where nothing was; and a line for people where that is not the newest file.

        Raises
        ------
        CheckpointError
            There are files, and none of them can be used.
        """
        faults: list[str] = []
        self._is_damaged = False
        for path in (self.path, self.before):
            self._is_damaged = self._is_damaged or bool(faults)
            try:
                saved = read(path)
                self.pages = self._read_pages(saved.pages)
            except FileNotFoundError:
                continue
            except CheckpointError as error:
                faults.append(f"{path} {error}")
                continue
            except OSError as error:
                faults.append(f"{path} cannot be read: {error.strerror or error}")
                continue
            before = saved if path == self.before else _read_or_none(self.before)
            self._needed = frozenset(saved.pages), frozenset(before.pages if before else ())
            self._remove_needless()
            return saved, f"{'; '.join(faults)}: going on from the one before it, {path}" if faults else ""
        if faults:
            raise CheckpointError(f"{'; '.join(faults)}; move it away to begin anew")
        self._remove_needless()
        return None, ""

    def _read_pages(self, numbers: Iterable[int]) -> dict[int, State]:
        """What stands in the files of some numbers; raises CheckpointError where one is damaged or not there."""
        found: dict[int, State] = {}
        left = MOST_BYTES
        for number in numbers:
            path = self._folder / str(number)
            try:
                left -= path.stat().st_size
                if left < 0:
                    raise CheckpointError(f"has pages of more than {MOST_BYTES:,} bytes")
                found[number] = read(path).state
            except OSError as error:
                raise CheckpointError(f"is not whole: {path} cannot be read: {error.strerror or error}") from None
            except CheckpointError as error:
                raise CheckpointError(f"is not whole: {path} {error}") from None
        return found

    def _remove_needless(self) -> None:
        """Remove the pages that neither of the two checkpoints needs; a file that stays there harms nobody."""
        numbers = self._numbers()
        self._number = max([self._number, *numbers])
        for number in numbers - self._needed[0] - self._needed[1]:
            with suppress(OSError):
                (self._folder / str(number)).unlink()

    def _numbers(self) -> set[int]:
        """The numbers of the pages that are there."""
        with suppress(OSError):
            return {int(path.name) for path in self._folder.iterdir() if _PAGE.fullmatch(path.name)}
        return set()

    def add(self, state: State) -> int:
        """Write a page, for checkpoints from now on; returns its number once it is on the disk.

        Raises
        ------
        OSError
            It cannot be written; nothing is left of it.
        """
        self._hold()
        if not self._folder.is_dir():
            self._folder.mkdir(0o700)
            self._disk.sync_folder(self.path.parent)
        if not self._number:
            self._number = max(self._numbers(), default=0)
        self._number += 1
        path = self._folder / str(self._number)
        try:
            self._write_file(path, Saved({}, state))
        except OSError:
            with suppress(OSError):
                path.unlink()  # lest it take the space that the next one needs
            raise
        return self._number

    def write(self, saved: Saved) -> None:
        """Keep this as the newest; the newest so far is the one before it then.

        Raises
        ------
        OSError
            It cannot be written, or another run has taken it since its lock was removed; what was there can still be
            read.
        """
        self._hold()
        if saved.pages:
            self._disk.sync_folder(self._folder)
        self._write_file(self._new, saved)
        newest, before = self._needed
        if not self._is_damaged:  # or the one before it is all there is
            with suppress(FileNotFoundError):  # there was none
                self._disk.replace(self.path, self.before)
                self._needed = newest, newest
        self._disk.replace(self._new, self.path)
        self._is_damaged = False
        self._needed = frozenset(saved.pages), self._needed[1]
        self._disk.sync_folder(self.path.parent)
        if newest or before or saved.pages:
            self._remove_needless()

    def _hold(self) -> None:
        """Lock it again where somebody has removed the file that is locked: another run may have made a new one."""
        if self._lock is not None and not is_moved(self._lock_path, self._lock):
            return
        self.close()
        try:
            self._lock = _lock(self._lock_path, self.path)
        except CheckpointError as error:
            raise OSError(str(error)) from None

    def _write_file(self, path: Path, saved: Saved) -> None:
        """Write a new file and have it on the disk."""
        blocks = as_blocks(saved)
        descriptor = self._disk.create(path)
        try:
            for block in blocks:
                self._write_all(descriptor, memoryview(block))
            self._disk.sync(descriptor)
        finally:
            self._disk.close(descriptor)

    def _write_all(self, descriptor: int, block: memoryview) -> None:
        while block:
            written = self._disk.write(descriptor, block)
            if written < 1:
                raise OSError("nothing more can be written")
            block = block[written:]

    def close(self) -> None:
        """Let another run have it; may be called twice."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _lock(path: Path, of: Path) -> int:
    """Lock a file until its descriptor is closed or the program ends, however it ends."""
    for tries_left in reversed(range(10)):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError as error:
            raise CheckpointError(f"no checkpoint can be kept in {of}: {error.strerror or error}") from None
        try:
            _take_lock(descriptor)
        except OSError:
            os.close(descriptor)
            raise CheckpointError(
                f"another run uses the checkpoint {of}; wait for its end, or give this one another --checkpoint"
            ) from None
        if not tries_left or not is_moved(path, descriptor):
            return descriptor
        os.close(descriptor)  # it was removed before it was locked: another run may lock the file of that name
    raise AssertionError("the last try returns")


def _take_lock(descriptor: int) -> None:
    """Lock an open file at once; raises OSError where another program has."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - this system's own

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl  # noqa: PLC0415

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def as_blocks(saved: Saved) -> list[bytes | memoryview]:
    """The bytes of a file, in blocks; those of arrays are not copied.

    Raises
    ------
    ValueError
        An array is of a type that is not kept (objects, for one), or all are too large.
    """
    described = [[name, list(array.shape), describe(array.dtype)] for name, array in saved.state.items()]
    pages = {"pages": [*map(int, saved.pages)]} if saved.pages else {}
    header = json.dumps({"fingerprint": dict(saved.fingerprint), "arrays": described} | pages).encode()
    blocks: list[bytes | memoryview] = [_START.pack(MAGIC, VERSION, len(header)), header]
    blocks += [np.ascontiguousarray(array).reshape(-1).view(np.uint8).data for array in saved.state.values()]
    size = sum(map(len, blocks)) + _DIGEST_BYTES
    if size > MOST_BYTES or len(header) > MOST_HEADER_BYTES:
        raise ValueError(f"the state has {size:,} bytes, allowed are {MOST_BYTES:,}")
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return [*blocks, digest.digest()]


def read(path: Path) -> Saved:
    """What a file holds; no more memory is taken than the file is long, twice.

    Raises
    ------
    CheckpointError
        It is no checkpoint, damaged, or of another version; the message goes on from the file's name.
    OSError
        It cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise CheckpointError("is no file")
        if status.st_size > MOST_BYTES:
            raise CheckpointError(f"has {status.st_size:,} bytes, a checkpoint has at most {MOST_BYTES:,}")
        return parse(file.read(status.st_size))


def parse(file_content: bytes) -> Saved:
    """What the bytes of a file hold; raises CheckpointError as :func:`read` does."""
    content = memoryview(file_content)
    if len(content) < _START.size + _DIGEST_BYTES or content[: len(MAGIC)] != MAGIC:
        raise CheckpointError("is no checkpoint" if content else "is empty")
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise CheckpointError("is damaged: its checksum is wrong")
    _, version, header_bytes = _START.unpack(body[: _START.size])
    steps = range(version, VERSION)
    if version > VERSION or not MIGRATIONS.keys() >= set(steps):
        which = "a later" if version > VERSION else "an earlier"
        raise CheckpointError(f"was written by {which} version of this program (format {version}, this is {VERSION})")
    try:
        saved = _parse(body[_START.size :], header_bytes)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CheckpointError(f"is damaged: {error}") from None
    for step in steps:
        saved = MIGRATIONS[step](saved)
    return saved


def _parse(body: memoryview, header_bytes: int) -> Saved:
    if header_bytes > min(len(body), MOST_HEADER_BYTES):
        raise ValueError("its header is too long")
    header = json.loads(bytes(body[:header_bytes]))
    fingerprint = {str(name): str(value) for name, value in dict(header["fingerprint"]).items()}
    pages = header.get("pages", [])
    if not isinstance(pages, list) or not all(type(n) is int and 0 < n < 2**63 for n in pages):
        raise ValueError("the numbers of its pages are wrong")
    state: State = {}
    at = header_bytes
    for name, shape, described in header["arrays"]:
        dtype = dtype_of(described)
        if not all(isinstance(n, int) and 0 <= n <= MOST_BYTES for n in shape):
            raise ValueError("a shape is wrong")
        end = at + prod(shape) * dtype.itemsize
        if end > len(body):
            raise ValueError("an array is longer than the file")
        state[str(name)] = np.frombuffer(body[at:end], dtype).reshape(shape).copy()
        at = end
    if at != len(body):
        raise ValueError("there is more in it than it says")
    return Saved(fingerprint, state, tuple(pages))


def _read_or_none(path: Path) -> Saved | None:
    """What a file holds, if it can be used."""
    try:
        return read(path)
    except (OSError, CheckpointError):
        return None


def describe(dtype: np.dtype[Any]) -> Any:
    """A type as JSON can hold it: ``<f8``, or of a record the name, type and shape of each field.

    Raises
    ------
    ValueError
        It is neither numbers nor a packed record of such.
    """
    if dtype.fields is None:
        if not _NUMERIC.fullmatch(dtype.str):
            raise ValueError(f"an array of type {dtype} cannot be kept")
        return dtype.str
    names = dtype.names or ()
    described = [[name, describe(dtype[name].base), list(dtype[name].shape)] for name in names]
    if dtype_of(described) != dtype:
        raise ValueError(f"a record of type {dtype} cannot be kept: it has gaps")
    return described


def dtype_of(described: Any, depth: int = 0) -> np.dtype[Any]:
    """The type that :func:`describe` described; raises ValueError for anything else."""
    if isinstance(described, str) and _NUMERIC.fullmatch(described):
        return np.dtype(described)
    if not isinstance(described, list) or not described or depth > DEEPEST:
        raise ValueError("an array's type is wrong")
    fields = [(str(name), dtype_of(inner, depth + 1), tuple(shape)) for name, inner, shape in described]
    if not all(isinstance(n, int) and 0 <= n <= MOST_BYTES for _, _, shape in fields for n in shape):
        raise ValueError("a field's shape is wrong")
    return np.dtype(fields)
