"""A sheet of a workbook (xlsx)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streamforest.optional import optional
from streamforest.protocols import SourceError, Stop
from streamforest.reading.cell_rows import CellSource
from streamforest.reading.column_layout import ANY_COLUMNS, ANY_DIALECT, Asked, Dialect, listed

#: Bytes of the largest workbook, unpacked: a million rows of ten cells take about a third of it.
LARGEST = 2**30


class XlsxSource(CellSource):
    """The rows of a sheet, from the top; formulas count with the values that were saved with them.

    Parameters
    ----------
    word : str
        ``xlsx:FILE?SHEET``; without a sheet the first one is read.
    asked, dialect
        As in :class:`~streamforest.reading.line_reader.RowReader`.

    Raises
    ------
    SourceError
        The file is not there or no workbook, or has no such sheet.
    MissingPackageError
        openpyxl is not installed.
    """

    def __init__(
        self,
        word: str,
        asked: Asked = ANY_COLUMNS,
        dialect: Dialect = ANY_DIALECT,
    ) -> None:
        path, _, sheet = word.partition(":")[2].partition("?")
        super().__init__(Path(path).name, asked, dialect)
        self._path = path
        openpyxl = optional("openpyxl", "xlsx")
        if not Path(path).is_file():
            raise SourceError(f"there is no file {path or 'to read'}; write xlsx:FILE or xlsx:FILE?SHEET")
        self._check_size()
        try:
            self._book: Any = openpyxl.load_workbook(path, read_only=True, data_only=True)
        except Exception as error:
            raise self._broken(error) from None
        names = [page.title for page in self._book.worksheets]
        if (sheet and sheet not in names) or not names:
            self.close()
            raise SourceError(f"{path} has no sheet {sheet!r}; the sheets are: {listed(names)}")
        self._sheet = self._book[sheet or names[0]]
        if len(names) > 1:
            self.reader.notes = (f"sheet {self._sheet.title!r} of {listed(names)}",)

    def close(self) -> None:
        """Close the workbook."""
        self._book.close()

    def _check_size(self) -> None:
        """Refuse what would fill the memory."""
        try:
            with zipfile.ZipFile(self._path) as archive:
                size = sum(part.file_size for part in archive.infolist())
        except (zipfile.BadZipFile, OSError) as error:
            raise self._broken(error) from None
        if size > LARGEST:
            raise SourceError(f"{self._path}: {size:,} bytes unpacked, at most {LARGEST:,} are read: save it as CSV")

    def rows(self, stop: Stop) -> Iterator[tuple[object, ...]]:  # noqa: ARG002 - between two rows nothing waits
        """The rows of the sheet."""
        try:
            yield from self._sheet.iter_rows(values_only=True)
        except Exception as error:
            raise self._broken(error) from None

    def _broken(self, error: Exception) -> SourceError:
        return SourceError(f"{self._path} cannot be read as a workbook: {' '.join(str(error).split())}")
