"""Case files: all that is known of an episode in one zip, checked before it is believed, as anybody may have made it.

A case is never unpacked to disk. It holds files of the names below and no other, each at most once and no larger than
is said there; whatever else a zip can be (encrypted, of several volumes, with folders or links in it) is refused.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

ABOUT, FACTS, POINTS, VERDICTS = "README.txt", "case.json", "points.csv", "verdicts.jsonl"
STATE, PICTURE = "state.bin", "picture.png"
#: Name -> most bytes of it once it is unpacked.
MOST_BYTES = {ABOUT: 2**16, FACTS: 2**20, POINTS: 2**24, VERDICTS: 2**26, STATE: 2**26, PICTURE: 2**24}
#: Without which a case cannot be replayed.
NEEDED = (FACTS, POINTS, VERDICTS, STATE)
MOST_FILE_BYTES = 2**27  # of a whole case

#: What ends a zip: signature, number of this volume and of the directory's, entries here and in all, bytes and place of
#: the directory, bytes of a comment.
_END = struct.Struct("<4s4H2LH")
_END_MARK, _LOCATOR_MARK, _LOCATOR_BYTES = b"PK\x05\x06", b"PK\x06\x07", 20  # the locator is of zips beyond 4 GB
_MOST_DIRECTORY_BYTES = 2**12
_ENCRYPTED = 0x1
#: What a forged zip may raise in the standard library.
_FAULTS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, OverflowError, LookupError),
)


class CaseError(Exception):
    """A case cannot be used; the message goes on from the file's name, for the user."""


def case_bytes(parts: Mapping[str, bytes]) -> bytes:
    """A case as a zip.

    Parameters
    ----------
    parts : mapping of str to bytes
        By the names of MOST_BYTES.

    Raises
    ------
    ValueError
        A part is of another name, or larger than a case may hold.
    """
    for name, content in parts.items():
        if len(content) > MOST_BYTES.get(name, -1):
            raise ValueError(f"{name} has {len(content):,} bytes, allowed are {MOST_BYTES.get(name, 0):,}")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as case:
        for name, content in parts.items():
            case.writestr(name, content)
    return file.getvalue()


def read_case(path: Path) -> dict[str, bytes]:
    """What a case holds, by name; takes no more memory than MOST_BYTES, whatever the file says of itself.

    Raises
    ------
    CaseError
        It is no case, or a damaged or forged one.
    OSError
        It cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise CaseError("is no file")
        if status.st_size > MOST_FILE_BYTES:
            raise CaseError(f"has {status.st_size:,} bytes, a case has at most {MOST_FILE_BYTES:,}")
        content = file.read(status.st_size)
    _check_end(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as case:
            return _parts(case)
    except _FAULTS as error:
        raise CaseError(f"is damaged: {error}"[:200]) from None


def _check_end(content: bytes) -> None:
    """Refuse a zip whose directory is larger than a case's: the standard library would read it whole."""
    if len(content) < _END.size or not content[-_END.size :].startswith(_END_MARK):
        raise CaseError("is no case" if content else "is empty")
    _, _, _, _, entries, directory_bytes, _, _ = _END.unpack(content[-_END.size :])
    locator = content[-_END.size - _LOCATOR_BYTES : -_END.size]
    if entries > len(MOST_BYTES) or directory_bytes > _MOST_DIRECTORY_BYTES or locator.startswith(_LOCATOR_MARK):
        raise CaseError("is no case: there is more in it than a case holds")


def _parts(case: zipfile.ZipFile) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    for entry in case.infolist():
        name = entry.filename
        if name not in MOST_BYTES or name in parts:
            raise CaseError(f"is no case: it holds {name[:80]!r}, which does not belong there")
        if entry.flag_bits & _ENCRYPTED or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise CaseError(f"is no case: its {name} is encrypted, or packed in another way than those of a case")
        with case.open(entry) as file:
            content = file.read(MOST_BYTES[name] + 1)
        if len(content) > MOST_BYTES[name]:
            raise CaseError(f"is no case: its {name} has more than {MOST_BYTES[name]:,} bytes")
        parts[name] = content
    missing = [name for name in NEEDED if name not in parts]
    if missing:
        raise CaseError(f"is no case: there is no {missing[0]} in it")
    return parts
