"""A file: CSV, JSON Lines or one number a line, plain or gzip; or a named pipe."""

from __future__ import annotations

import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

from streamforest.block import TextBlock
from streamforest.bookmark import Bookmark
from streamforest.file_mark import FileMark, mark_at
from streamforest.pipes import CHUNK, arriving
from streamforest.protocols import SourceError, State, Stop
from streamforest.rows import RowReader
from streamforest.state import packed, unpacked

_GZIP = b"\x1f\x8b"


class FileSource:
    """The rows of a file, in order, in constant memory.

    Parameters
    ----------
    path : str or Path
        The file. Gzip is told by its first bytes, whatever the name. A named pipe or a device is read as it
        arrives.
    column, time_column, label_column, key_column : str, optional
        As in :class:`~streamforest.rows.RowReader`.

    Raises
    ------
    SourceError
        The file cannot be opened.
    """

    def __init__(
        self,
        path: str | Path,
        column: str | None = None,
        time_column: str | None = None,
        label_column: str | None = None,
        key_column: str | None = None,
    ) -> None:
        self.name = Path(path).name
        self._path = str(path)
        self._rows = RowReader(self.name, column, time_column, label_column, key_column)
        self._bookmark = Bookmark()
        self._file = _open(self._path)
        self.live = not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)

    def describe(self) -> str:
        """The value column and the columns there are, in words."""
        return self._rows.describe()

    def read(self, stop: Stop, most: int) -> Iterator[TextBlock]:
        """Yield the rows in blocks of at most ``most``.

        Raises
        ------
        SourceError
            The value column cannot be told, or reading fails, as where a compressed file ends early; the rows
            before that are yielded first.
        """
        return self._bookmark.follow(self._rows.blocks(self._chunks(stop), stop, most))

    def state(self) -> State:
        """The place behind the last row, and what stands before it; empty for a pipe."""
        if self.live:
            return {}
        descriptor = self._file.fileno()
        # of a compressed file what was unpacked so far; a last line that is not ended ends behind the file
        read = self._file.tell() if self._is_gzip() else self._bookmark.place.offset
        mark = mark_at(descriptor, min(read, os.fstat(descriptor).st_size))
        return self._bookmark.state() | {"file": packed(mark)}

    def restore(self, state: State) -> str:
        """Go on behind the last row; raises SourceError where another text stands before it now."""
        self._bookmark.restore(state)
        mark = FileMark(*unpacked(state, "file"))
        if self.live or (mark.length and not mark.fits(self._file.fileno())):
            raise SourceError(
                f"{self._path} has changed since the checkpoint was written: what was read of it is not there any "
                f"more; put it back, or begin anew with another --checkpoint"
            )
        self._rows.go_on(self._bookmark.place)
        return ""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _chunks(self, stop: Stop) -> Iterator[bytes]:
        try:
            if self.live:
                yield from arriving(self._file.fileno(), stop)
            else:
                yield from self._regular_chunks()
        except EOFError:
            raise SourceError(f"{self._path}: the compressed file ends early after {self._rows.lines} lines") from None
        except (gzip.BadGzipFile, zlib.error):
            raise SourceError(f"{self._path}: the compressed file is damaged after {self._rows.lines} lines") from None
        except OSError as error:
            raise SourceError(f"{self._path}: reading failed: {error.strerror or error}") from None

    def _regular_chunks(self) -> Iterator[bytes]:
        first = self._bookmark.place.offset
        if not self._is_gzip():
            self._file.seek(first)
            yield from iter(lambda: self._file.read(CHUNK), b"")
            return
        self._file.seek(0)
        with gzip.GzipFile(fileobj=self._file) as unpacked:
            while first and (known := unpacked.read(min(first, CHUNK))):
                first -= len(known)
            # read1 gives what was unpacked before the end of a truncated file; read would lose it
            yield from iter(lambda: unpacked.read1(CHUNK), b"")

    def _is_gzip(self) -> bool:
        """Whether the file begins as a compressed one does; leaves the place where it was."""
        place = self._file.tell()
        self._file.seek(0)
        head = self._file.read(len(_GZIP))
        self._file.seek(place)
        return head == _GZIP


def _open(path: str) -> io.FileIO:
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    # a named pipe nobody writes to yet would keep open() waiting
    flags |= getattr(os, "O_NONBLOCK", 0)
    try:
        if stat.S_ISDIR(Path(path).stat().st_mode):
            raise SourceError(f"{path} is a folder, not a file; name a file in it")
        return io.FileIO(os.open(path, flags))
    except FileNotFoundError:
        raise SourceError(f"there is no file {path}; check the name and the folder you are in") from None
    except PermissionError:
        raise SourceError(f"{path} may not be read: no permission") from None
    except (OSError, ValueError) as error:
        raise SourceError(f"{path!r} cannot be opened: {getattr(error, 'strerror', None) or error}") from None
