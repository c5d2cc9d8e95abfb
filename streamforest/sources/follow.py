"""A file that grows: its lines as they are written, through rotation and truncation, as with tail -F."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path

from streamforest.connections.compression import HEAD, compression_of
from streamforest.connections.pipes import CHUNK
from streamforest.protocols import SourceError, State, Stop
from streamforest.reading.bookmark import Bookmark
from streamforest.reading.column_layout import ANY_COLUMNS, ANY_DIALECT, Asked, Dialect
from streamforest.reading.line_reader import RowReader, Seam
from streamforest.reading.row_block import TextBlock
from streamforest.state import packed, unpacked
from streamforest.storage import rotation
from streamforest.storage.file_mark import FileMark, fits_path, mark_at

#: Seconds between two looks at a file that has nothing new.
PATIENCE = 0.2

_GONE = FileMark(1, -1, "gone")  # fits no file
_LEFT = 8  # files that were read last are known again
_MARK = 256  # bytes before the place that is read next, which tell whether a file was written anew


class FollowSource:
    """The rows of a file from its start, then each new one soon after it is written; never ends by itself.

    Parameters
    ----------
    path : str or Path
        The file, of plain text; it need not be there yet.
    notify : callable
        Takes a line for people: of a file that is awaited, gone, replaced or truncated.
    asked, dialect
        As in :class:`~streamforest.reading.line_reader.RowReader`.

    Raises
    ------
    SourceError
        What is there is no regular file, is compressed, or may not be read.

    Notes
    -----
    The file is looked at every PATIENCE seconds, which works on every platform and file system; inotify is Linux' own
    and silent on network drives. A file that was renamed away is read to its end, and the new one of its name once
    something stands in it. A file that became shorter, or has other bytes where it was read, is read from its
    start. Of several rotations between two looks, the files in between are read too, unless they are compressed: then
    their size is reported. On Windows a file that is read cannot be renamed.
    """

    live = True

    def __init__(
        self,
        path: str | Path,
        notify: Callable[[str], None],
        asked: Asked = ANY_COLUMNS,
        dialect: Dialect = ANY_DIALECT,
    ) -> None:
        self.name = Path(path).name
        self._path = Path(path)
        self._notify = notify
        self.reader = RowReader(self.name, asked, dialect)
        self._successor: FileIO | None = None
        self._bookmark = Bookmark()
        self._held: FileMark | None = None  # of the bookmark, in a text that is over
        self._left = deque[FileMark | None](maxlen=_LEFT)  # the ends of files that were read before
        try:
            self._file = self._open()
            head = b"" if self._file is None else self._file.read(HEAD) or b""
        except (OSError, ValueError) as error:
            raise SourceError(f"{str(path)!r} cannot be opened: {getattr(error, 'strerror', None) or error}") from None
        self._is_gone = self._file is None
        if self._file is not None:
            self._refuse_compressed(head)
            self._file.seek(0)
        else:
            notify(f"{path} is not there yet: waiting for it")

    def describe(self) -> str:
        """The value column and the columns there are, in words."""
        return self.reader.describe()

    def read(self, stop: Stop, most: int) -> Iterator[TextBlock]:
        """Yield the rows that are there, and then new ones, in blocks of at most ``most``.

        Raises
        ------
        SourceError
            The value column cannot be told, the file turns out to be compressed, or reading fails.
        """
        return self._bookmark.follow(self.reader.blocks(self._chunks(stop), stop, most))

    def state(self) -> State:
        """The place behind the last row, what stands before it in its file, and the files that were read before."""
        left = [mark for mark in self._left if mark]
        return self._bookmark.state() | {"file": packed(self._held or self._mark_of_bookmark()), "left": packed(left)}

    def _mark_of_bookmark(self) -> FileMark | None:
        return None if self._file is None else mark_at(self._file.fileno(), self._bookmark.place.offset)

    def restore(self, state: State) -> str:
        """Go on behind the last row, in the file that has the name or was renamed; else at the start of the new one."""
        mark = unpacked(state, "file", FileMark | None)
        self._left.extend(FileMark(*left) for left in unpacked(state, "left", list[FileMark]))
        self._bookmark.restore(state)
        if mark is None:
            return ""  # there was no file yet
        found = self._found(FileMark(*mark))
        if found is None:
            self._bookmark.turn(self._bookmark.place.layout or self._bookmark.earlier)
            self.reader.go_on(self._bookmark.place, self._bookmark.earlier)
            return f"{self.name} was written anew or replaced: lines in between may be missing"
        if self._file is not None:
            self._file.close()
        self._file = found
        start = max(0, self._bookmark.place.offset - _MARK)
        found.seek(start)
        self._mark = found.read(self._bookmark.place.offset - start) or b""
        self.reader.go_on(self._bookmark.place, self._bookmark.earlier)
        return ""

    def _found(self, mark: FileMark) -> FileIO | None:
        """The file of a mark, by its own name or one that it was renamed to beside that; None where it is gone."""
        others = sorted(path for path in self._path.parent.iterdir() if path.name.startswith(f"{self._path.name}"))
        path = next((path for path in (self._path, *others) if fits_path(mark, path)), None)
        return None if path is None else FileIO(path)

    def close(self) -> None:
        """Close the file."""
        self._leave_successor()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _chunks(self, stop: Stop) -> Iterator[bytes | Seam]:
        while not stop.requested:
            try:
                chunk = self._next()
            except OSError as error:
                raise SourceError(f"{self._path}: reading failed: {error.strerror or error}") from None
            if chunk is None:
                stop.wait(PATIENCE)
            elif isinstance(chunk, Seam):
                self._bookmark.hold()
                yield chunk  # what was left of the text before comes first
                self._held = None
                self._bookmark.turn(self.reader.newest_layout)
            else:
                yield chunk

    def _next(self) -> bytes | Seam | None:
        """What is new: bytes, or that another text begins; None where nothing is."""
        file = self._file or self._reopened()
        if file is None:
            return None
        if self._is_rewritten(file):
            self._notify(f"{self.name} was truncated or written anew: reading it from its start")
            self._held = _GONE
            file.seek(0)
            self._mark = b""
            return Seam.CUT
        chunk = self._read(file)
        if chunk or not self._is_replaced(file):
            return chunk or None
        chunk = self._read(file)  # what was written between the look at its end and the look at the new file
        if chunk:
            return chunk
        self._held = self._mark_of_bookmark()
        missed = self._first_between(file)
        self._left.append(mark_at(file.fileno()))
        file.close()
        if missed is None:
            self._file, self._successor, self._mark = self._successor, None, b""
            self._tell_new()
        else:
            self._leave_successor()
            self._file, self._mark = missed, b""
        return Seam.WHOLE

    def _first_between(self, file: FileIO) -> FileIO | None:
        """The first file that had the name after this one, and has it no more; None where there is none to be read."""
        for path in rotation.between(self._path, file.fileno()):
            with suppress(OSError):  # somebody took it away
                found = FileIO(path)
                if self._was_left(found):  # what was written into it late made it newer than this one
                    found.close()
                    continue
                size = os.fstat(found.fileno()).st_size
                is_readable = not compression_of(found.read(HEAD) or b"")
                how = "reading it from its start" if is_readable else f"compressed, its {size:,} bytes are missing"
                if size:
                    self._notify(f"{self.name} was rotated more than once, {path.name} came in between: {how}")
                if size and is_readable:
                    found.seek(0)
                    return found
                found.close()
        return None

    def _was_left(self, file: FileIO) -> bool:
        inode = os.fstat(file.fileno()).st_ino
        return any(mark and mark.inode == inode and mark.fits(file.fileno()) for mark in self._left)

    def _read(self, file: FileIO) -> bytes:
        chunk = file.read(CHUNK) or b""
        if not self._mark:
            self._refuse_compressed(chunk)
        self._mark = (self._mark + chunk)[-_MARK:]
        return chunk

    def _refuse_compressed(self, start: bytes) -> None:
        if compression_of(start):
            self.close()
            raise SourceError(f"{self._path} is compressed: --follow reads plain text; read it once without --follow")

    def _is_rewritten(self, file: FileIO) -> bool:
        """Whether what was read is no longer what stands there; leaves the place where it was if not."""
        place, size = file.tell(), os.fstat(file.fileno()).st_size
        if size < place:
            return True
        file.seek(place - len(self._mark))
        return file.read(len(self._mark)) != self._mark

    def _is_replaced(self, file: FileIO) -> bool:
        """Whether another file has the name, and something stands in it: who writes has left the old one.

        An empty one is held open, for it may be filled and renamed away itself before the next look.
        """
        if self._has_successor():
            return True
        try:
            found = self._path.stat()
            is_file = os.path.samestat(found, os.fstat(file.fileno()))
            if not _is_same(found, self._successor):
                self._leave_successor()
                self._successor = None if is_file or not stat.S_ISREG(found.st_mode) else FileIO(self._path)
            self._is_gone = False
        except OSError as error:
            self._tell_gone(error)
        return self._has_successor()

    def _has_successor(self) -> bool:
        return self._successor is not None and os.fstat(self._successor.fileno()).st_size > 0

    def _leave_successor(self) -> None:
        if self._successor is not None:
            self._successor.close()
            self._successor = None

    def _tell_gone(self, error: OSError) -> None:
        if not self._is_gone:
            self._notify(f"{self.name} is gone ({error.strerror}): waiting for a new one")
        self._is_gone = True

    def _reopened(self) -> FileIO | None:
        """The file that has the name now; None where there is none or it may not be read yet."""
        try:
            self._file = self._open()
        except PermissionError as error:
            self._tell_gone(error)
        if self._file is not None:
            self._tell_new()
        return self._file

    def _tell_new(self) -> None:
        self._notify(f"{self.name} is a new file: reading it from its start")
        self._is_gone = False

    def _open(self) -> FileIO | None:
        """The file; None where there is none."""
        self._mark = b""
        try:
            if stat.S_ISREG(self._path.stat().st_mode):
                return FileIO(self._path)
        except FileNotFoundError:
            return None
        raise SourceError(f"{self._path} is no regular file, so it cannot be followed; leave --follow away")


def _is_same(found: os.stat_result, file: FileIO | None) -> bool:
    return file is not None and os.path.samestat(found, os.fstat(file.fileno()))
