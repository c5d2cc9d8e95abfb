"""Files rotated by size, path, path.1, path.2 and so on: one step on, and back to where a checkpoint stood."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from streamforest.storage.file_mark import FileMark, fits_path, mark_at, mark_of

#: What is appended to the name of a rotated file; its first number.
_ROTATED = re.compile(r"[.-](\d+)[-_.T\d]*(?:\.(?:gz|bz2|xz|zst))?", re.ASCII)


def numbered(path: Path, number: int) -> Path:
    """The name of the file that was rotated so many times; 0 is the newest."""
    return path.with_name(f"{path.name}.{number}") if number else path


def count(path: Path) -> int:
    """Rotated files there are, up to the first number that is missing."""
    number = 0
    while numbered(path, number + 1).is_file():
        number += 1
    return number


def rotate(path: Path, most: int) -> None:
    """Free the name for a new file; of the rotated ones the newest ``most`` are kept."""
    trim(path, most - 1)
    for number in range(count(path), -1, -1):
        with suppress(FileNotFoundError):  # somebody took it away
            numbered(path, number).replace(numbered(path, number + 1))


def trim(path: Path, most: int) -> None:
    """Remove the rotated files beyond a number, the oldest first."""
    for number in range(count(path), max(most, 0), -1):
        numbered(path, number).unlink()


def marks(path: Path, newest: int | None) -> list[FileMark]:
    """Marks at the ends of the newest file and of the rotated ones, in this order; none where it is no regular file.

    Parameters
    ----------
    path : Path
        Its name.
    newest : int or None
        Its descriptor where it is open: whatever has the name now, this is the file that is written.
    """
    first = mark_of(path) if newest is None else mark_at(newest)
    if first is None:
        return []
    return [first, *(mark for number in range(count(path)) if (mark := mark_of(numbered(path, number + 1))))]


def go_back(path: Path, marked: Sequence[FileMark], is_own: Callable[[Path, int], bool]) -> bool:
    """Put the files back to how they stood at their marks: later files go, the newest is cut at its mark.

    May be cut off at any place and done again.

    Parameters
    ----------
    path : Path
        The newest file's name.
    marked : sequence of FileMark
        As :func:`marks` gave them.
    is_own : callable
        Whether a file holds nothing but what this program wrote behind a place, in bytes: only then it is removed or
        cut there.

    Returns
    -------
    bool
        False where the newest file of the marks is not there any more, or something else came after it: then nothing
        was changed.

    Raises
    ------
    OSError
        A file cannot be moved or cut.
    """
    there = range(highest(path) + 1)
    found: dict[int, int] = {}
    for number, mark in enumerate(marked):
        free = (place for place in there if place >= number and place not in found.values())
        at = next((place for place in free if fits_path(mark, numbered(path, place), exactly=number > 0)), None)
        if at is not None:
            found[number] = at
    if 0 not in found:
        return False
    later = [numbered(path, place) for place in range(found[0]) if place not in found.values()]
    later = [file for file in later if file.exists()]
    if not is_own(numbered(path, found[0]), marked[0].length) or not all(is_own(file, 0) for file in later):
        return False
    for file in later:
        file.unlink()
    for number, at in found.items():  # the newest first: all places before the next one are free then
        if at != number:
            numbered(path, at).replace(numbered(path, number))
    os.truncate(path, marked[0].length)
    return True


def between(path: Path, descriptor: int) -> list[Path]:
    """The files that had a name after an open one, and were rotated away too; the oldest first.

    They are found by what logrotate and loggers append, compressed ones too: path.1, path.2.gz, path-20260131.
    Modification times give the order, or the numbers if these are equal: the newest has 1.
    """
    own, newest = os.fstat(descriptor), None
    with suppress(OSError):
        newest = path.stat()
    found: list[tuple[int, int, Path]] = []
    number = 0
    for file in path.parent.iterdir():
        match = _ROTATED.fullmatch(file.name.removeprefix(path.name))
        if match is None or not file.name.startswith(path.name):
            continue
        with suppress(OSError):
            status = file.stat()
            if os.path.samestat(status, own):
                number = int(match[1])
            elif stat.S_ISREG(status.st_mode) and not (newest and os.path.samestat(status, newest)):
                found.append((status.st_mtime_ns, -int(match[1]), file))
    return [file for *when, file in sorted(found) if when > [own.st_mtime_ns, -number]]


def highest(path: Path) -> int:
    """The highest number among the rotated files, whatever is missing before it."""
    mark = f"{path.name}."
    numbers = [file.name.removeprefix(mark) for file in path.parent.iterdir() if file.name.startswith(mark)]
    return max((int(number) for number in numbers if number.isascii() and number.isdigit()), default=0)
