"""A file: CSV, JSON, lines of metrics or one number a line, plain or compressed; or a named pipe."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from streamforest.connections.compression import HEAD, DamagedFileError, compression_of, no_text, unpacked
from streamforest.connections.pipes import CHUNK
from streamforest.protocols import SourceError, State, Stop
from streamforest.reading.bookmark import Bookmark
from streamforest.reading.column_layout import ANY_COLUMNS, ANY_DIALECT, Asked, Dialect
from streamforest.reading.first_bytes import BACKWARDS, SAMPLE, arriving_text, turned
from streamforest.reading.line_reader import RowReader
from streamforest.reading.row_block import TextBlock
from streamforest.reading.text_conversion import TextConverter
from streamforest.state import packed
from streamforest.state import unpacked as state_part
from streamforest.storage.file_mark import FileMark, mark_at

#: Bytes at the end of a file in which lines are looked for that sum up its rows.
END = 4096


class FileSource:
    """The rows of a file, in order, in constant memory; backwards where the newest row stands first.

    Parameters
    ----------
    path : str or Path
        The file. Its first bytes tell how it is compressed, whatever its name. A named pipe or a device is read
        as it arrives.
    asked, dialect
        As in :class:`~streamforest.reading.line_reader.RowReader`.

    Raises
    ------
    SourceError
        The file cannot be opened.
    """

    def __init__(
        self,
        path: str | Path,
        asked: Asked = ANY_COLUMNS,
        dialect: Dialect = ANY_DIALECT,
    ) -> None:
        self.name = Path(path).name
        self._path = str(path)
        self.reader = RowReader(self.name, asked, dialect)
        self._bookmark = Bookmark()
        self._file = _open(self._path)
        self.live = not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        self._compression = ""
        self._is_backwards = False
        self._notes: tuple[str, ...] = ()  # what has to be done with the bytes of the file
        self._has_looked = self.live

    def describe(self) -> str:
        """The value column and the columns there are, in words."""
        return self.reader.describe()

    def read(self, stop: Stop, most: int) -> Iterator[TextBlock]:
        """Yield the rows in blocks of at most ``most``.

        Raises
        ------
        SourceError
            The file is no text, its value column or the form of its times cannot be told, or reading fails, as where a
            compressed file ends early; the rows before that are yielded first.
        """
        if not self._has_looked:
            try:
                self._look_at_head()
            except OSError as error:
                raise self._failed(error) from None
        return self._bookmark.follow(self.reader.blocks(self._chunks(stop), stop, most))

    def state(self) -> State:
        """The place behind the last row, and what stands before it; empty for a pipe."""
        if self.live:
            return {}
        descriptor = self._file.fileno()
        size = os.fstat(descriptor).st_size
        # of a text that is not in the file as it is, what was taken of the file so far; a last line that is not ended
        # ends behind the file
        read = self._file.tell() if self._notes else self._bookmark.place.offset
        mark = mark_at(descriptor, size if self._is_backwards else min(read, size))
        return self._bookmark.state() | {"file": packed(mark)}

    def restore(self, state: State) -> str:
        """Go on behind the last row; raises SourceError where another text stands before it now."""
        self._bookmark.restore(state)
        mark = FileMark(*state_part(state, "file", FileMark))
        if self.live or (mark.length and not mark.fits(self._file.fileno())):
            raise SourceError(
                f"{self._path} has changed since the checkpoint was written: what was read of it is not there any "
                f"more; put it back, or begin anew with another --checkpoint"
            )
        self.reader.go_on(self._bookmark.place)
        return ""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _chunks(self, stop: Stop) -> Iterator[bytes]:
        try:
            if self.live:
                yield from arriving_text(self._file.fileno(), stop, self.reader)
            else:
                yield from self._regular_chunks()
        except EOFError:
            raise SourceError(f"{self._path}: the compressed file ends early after {self.reader.lines} lines") from None
        except DamagedFileError:
            raise SourceError(f"{self._path}: the compressed file is damaged after {self.reader.lines} lines") from None
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> SourceError:
        return SourceError(f"{self._path}: reading failed: {error.strerror or error}")

    def _look_at_head(self) -> None:
        """Tell by the first bytes what the file is, and learn its columns from a sample."""
        self._file.seek(0)
        head = self._file.read(HEAD) or b""
        if words := no_text(head):
            raise SourceError(f"{self._path} is {words.replace('FILE', self._path)}")
        self._compression = compression_of(head)
        converter = TextConverter()
        text = converter.chunks(self._raw())
        sample = bytearray()
        is_whole = False
        try:
            while len(sample) < SAMPLE and not is_whole:
                chunk = next(text, None)
                is_whole = chunk is None
                sample += chunk or b""
        except (EOFError, OSError, DamagedFileError):
            pass  # told when the rows before it were read
        end: bytes | None = b""
        if not is_whole:
            del sample[sample.rfind(b"\n") + 1 :]
            end = None if self._compression or converter.notes else self._last_lines()
        self.reader.learn(bytes(sample), end)
        self._has_looked = True
        self._is_backwards = self.reader.is_newest_first
        backwards = [BACKWARDS] * self._is_backwards
        self._notes = (*([self._compression] * bool(self._compression)), *converter.notes, *backwards)
        self.reader.notes = self._notes
        self._file.seek(0)

    def _last_lines(self) -> bytes:
        """The last lines of a file that is not read otherwise meanwhile."""
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, size - END))
        return self._file.read(END).partition(b"\n")[2]

    def _raw(self) -> Iterator[bytes]:
        """The bytes of the file from its start, unpacked."""
        if self._compression:
            yield from unpacked(self._file, self._compression, CHUNK)
            return
        self._file.seek(0)
        yield from iter(lambda: self._file.read(CHUNK), b"")

    def _regular_chunks(self) -> Iterator[bytes]:
        first = self._bookmark.place.offset
        if not self._notes:
            self._file.seek(first)
            yield from iter(lambda: self._file.read(CHUNK), b"")
            return
        text = TextConverter().chunks(self._raw())
        for chunk in self._turned(text) if self._is_backwards else text:
            yield chunk[first:]
            first = max(0, first - len(chunk))

    def _turned(self, text: Iterator[bytes]) -> Iterator[bytes]:
        """The text with its rows in reversed order behind what stands before them."""
        with tempfile.TemporaryFile() as copy:
            file: IO[bytes] = copy
            if len(self._notes) == 1:  # nothing else has to be done with the bytes
                file = self._file
            else:
                for chunk in text:
                    copy.write(chunk)
            yield from turned(file, self.reader.table_start)


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
