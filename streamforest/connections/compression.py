"""What a file is by its first bytes: compressed text, which is unpacked, or something that is no text at all."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from streamforest.optional import optional

#: Bytes that are enough to tell.
HEAD = 64

_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_XML = "XML: write its readings as CSV first"
_ELEMENT = re.compile(rb"<[A-Za-z][\w.:\-]*(?:\s+[\w:]+=[\"']|>\s*\n\s*<[A-Za-z])")
_OTHERS = {
    b"PK\x03\x04": "a workbook (xlsx, ods) or another zip archive: xlsx:FILE reads a sheet of an xlsx; save "
    "another one as CSV, or unpack the archive",
    b"PAR1": "a Parquet file: \"duckdb:SELECT ... FROM 'FILE'\" reads it, or save it as CSV",
    b"SQLite format 3\0": 'a SQLite database: sqlite:FILE reads its only table, "sqlite:FILE?SELECT ..." a query',
    b"\xd0\xcf\x11\xe0": "an old workbook (xls): save the sheet as CSV",
    b"ARROW1": "an Arrow file: save it as CSV",
    b"\x89HDF": "an HDF5 file: save the series as CSV",
    b"\x93NUMPY": "an array of numpy: numpy.savetxt writes it as text",
    b"%PDF": "a PDF document: save the table as CSV",
    b"\x89PNG": "a picture",
    b"<?xml": _XML,
    b"<!DOCTYPE": "a page of HTML: save its table as CSV",
    b"<html": "a page of HTML: save its table as CSV",
    b"TDSm": "a TDMS file of LabVIEW: export its channels as text",
    b"MATLAB 5.0": "a file of MATLAB: writematrix saves the series as text",
    b"CDF\x01": "a NetCDF file: save the series as CSV",
    b"CDF\x02": "a NetCDF file: save the series as CSV",
    b"Obj\x01": "an Avro file: save it as CSV",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it first",
}

_READERS: dict[str, Callable[[io.FileIO], Any]] = {"bzip2": bz2.BZ2File, "xz": lzma.LZMAFile}
# Bytes of a zstd file that are unpacked at once: of the most that they can hold, blocks of one repeated byte, 16 MB.
_ZSTD_PIECE = 512


class DamagedFileError(Exception):
    """A compressed file does not hold what it should."""


def compression_of(head: bytes) -> str:
    """The kind of compression that a file's first bytes tell; empty where it is none.

    Examples
    --------
    >>> compression_of(b"BZh91AY"), compression_of(b"time,value")
    ('bzip2', '')
    """
    return next((name for mark, name in _COMPRESSED.items() if head.startswith(mark)), "")


def no_text(head: bytes) -> str:
    """What a file is that is no text, and what to do with it, for a message; empty where it may be text.

    Examples
    --------
    >>> no_text(b"PAR1....")[:15]
    'a Parquet file:'
    """
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    words = next((words for mark, words in _OTHERS.items() if head.startswith(mark)), "")
    return words or (_XML if _ELEMENT.match(head) else "")


def unpacked(file: io.FileIO, kind: str, size: int) -> Iterator[bytes]:
    """Yield what a compressed file holds, from its start, in chunks of at most so many bytes.

    What stands before the end of a truncated file is yielded before EOFError is raised.

    Raises
    ------
    EOFError
        The file ends early.
    DamagedFileError
        It is damaged.
    OSError
        It cannot be read.
    MissingPackageError
        The package that unpacks it is not installed.
    """
    file.seek(0)
    try:
        if kind == "zstd":
            yield from _unpacked_zstd(file, size)
            return
        opened: Any = gzip.GzipFile(fileobj=file) if kind == "gzip" else _READERS[kind](file)
        # read1 gives what was unpacked before the end of a truncated file; read would lose it
        yield from iter(lambda: opened.read1(size), b"")
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise DamagedFileError(str(error)) from None
    except OSError as error:
        if error.errno is None:  # of bz2, not of the system
            raise DamagedFileError(str(error)) from None
        raise


def _unpacked_zstd(file: io.FileIO, size: int) -> Iterator[bytes]:
    """The same for zstd, whose own reader takes the end of a truncated file for the end of the text."""
    zstandard = optional("zstandard", "zstd")
    frames, frame, waiting = zstandard.ZstdDecompressor(), None, b""
    while piece := waiting or file.read(_ZSTD_PIECE):
        frame = frame or frames.decompressobj()
        try:
            text = frame.decompress(piece)
        except zstandard.ZstdError as error:
            raise DamagedFileError(str(error)) from None
        yield from (text[at : at + size] for at in range(0, len(text), size))
        waiting = frame.unused_data if frame.eof else b""
        frame = None if frame.eof else frame
    if frame is not None:
        raise EOFError
