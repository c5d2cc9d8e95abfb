import zipfile
from datetime import datetime

import numpy as np
import pytest

from streamforest.optional import MissingPackageError
from streamforest.protocols import SourceError
from streamforest.reading.validation import Validator
from streamforest.sources import SourceOptions, open_source, xlsx
from streamforest.terminal.stop import StopFlag

N = 50
TIMES = [1714521600.0 + 60 * minute for minute in range(N)]
VALUES = [21 + minute % 7 / 2 for minute in range(N)]


@pytest.fixture
def workbook(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "Temp"
    for row in (["Plant 7"], [], ["Zeit", "Temperatur", "Note"]):
        book.active.append(row)
    for minute in range(N):
        book.active.append([datetime(2024, 5, 1, 0, minute), VALUES[minute] if minute != 3 else "#N/A", "ok"])
    other = book.create_sheet("As text")
    for minute in range(N):
        other.append([f"01.05.2024 00:{minute:02}", f"{VALUES[minute]:.1f}".replace(".", ",")])
    path = tmp_path / "a b.xlsx"
    book.save(path)
    return path


def read(word):
    source, stop, validator = open_source(f"xlsx:{word}", SourceOptions(print)), StopFlag(), Validator()
    try:
        checked = [validator.check(block) for block in source.read(stop, 20)]
    finally:
        source.close()
        stop.close()
    assert not [reason for _, some in checked for reason in some]
    return np.concatenate([points for points, _ in checked]), source.reader.understood()


def test_without_its_package_one_line_says_so():
    try:
        import openpyxl  # noqa: F401, PLC0415
    except ModuleNotFoundError:
        with pytest.raises(MissingPackageError, match=r"requirements/xlsx\.txt"):
            open_source("xlsx:a.xlsx", SourceOptions(print))


def test_the_first_sheet_is_read_from_where_its_table_begins_and_told(workbook):
    points, understood = read(workbook)
    assert points["time"].tolist() == TIMES
    np.testing.assert_array_equal(points["value"], [np.nan if k == 3 else value for k, value in enumerate(VALUES)])
    assert "value 'Temperatur'; time 'Zeit'" in understood
    assert "sheet 'Temp' of Temp, As text" in understood


def test_another_sheet_is_read_by_its_name_numbers_as_text_too(workbook):
    points, _ = read(f"{workbook}?As text")
    assert points["time"].tolist() == TIMES
    assert points["value"].tolist() == VALUES


def test_what_cannot_be_read_is_told(workbook, tmp_path, monkeypatch):
    (tmp_path / "no.xlsx").write_bytes(b"PK\x03\x04 and so on")
    with zipfile.ZipFile(tmp_path / "other.xlsx", "w") as archive:
        archive.writestr("a", "b")
    for word, message in (
        ("", "there is no file to read; write xlsx:FILE"),
        (tmp_path / "no.xlsx", "cannot be read as a workbook"),
        (tmp_path / "other.xlsx", "cannot be read as a workbook"),
        (f"{workbook}?Tmp", "has no sheet 'Tmp'; the sheets are: Temp, As text"),
    ):
        with pytest.raises(SourceError, match=message):
            read(word)
    monkeypatch.setattr(xlsx, "LARGEST", 1000)
    with pytest.raises(SourceError, match="at most 1,000 are read: save it as CSV"):
        read(workbook)
