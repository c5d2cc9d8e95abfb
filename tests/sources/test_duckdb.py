import sqlite3
from contextlib import suppress
from datetime import datetime

import numpy as np
import pytest

from streamforest.optional import MissingPackageError
from streamforest.protocols import SourceError
from streamforest.reading.column_layout import Asked
from streamforest.reading.validation import Validator
from streamforest.sources import SourceOptions, open_source
from streamforest.sources.duckdb import DuckDbSource
from streamforest.terminal.stop import StopFlag

ROWS = "FROM range(2500) t(k)"
MOMENT = "TIMESTAMP '2024-05-01' + INTERVAL 1 MINUTE * k AS moment"
TIMED = f"SELECT {MOMENT}, (k % 7) / 2::DECIMAL(9, 3) AS v, k % 3 AS key {ROWS}"


def read(query, **asked):
    source, stop, validator = DuckDbSource(f"duckdb:{query}", Asked(**asked)), StopFlag(), Validator()
    try:
        checked = [validator.check(block) for block in source.read(stop, 700)]
    finally:
        source.close()
        stop.close()
    return np.concatenate([points for points, _ in checked]), source.reader.understood()


def test_without_its_package_or_a_query_one_line_says_so():
    with pytest.raises(SourceError, match="there is no query"):
        open_source("duckdb: ", SourceOptions(print))
    try:
        import duckdb  # noqa: F401, PLC0415
    except ModuleNotFoundError:
        with pytest.raises(MissingPackageError, match=r"requirements/duckdb\.txt"):
            open_source("duckdb:SELECT 1", SourceOptions(print))


def test_the_rows_of_a_query_are_read_with_their_times():
    pytest.importorskip("duckdb")
    points, understood = read(TIMED, column="v")
    assert points["time"].tolist() == [1714521600.0 + 60 * k for k in range(2500)]
    np.testing.assert_allclose(points["value"], [k % 7 / 2 for k in range(2500)])
    assert "value 'v'; time 'moment'" in understood


def test_times_with_a_zone_need_no_further_package_and_are_read_in_utc():
    pytest.importorskip("duckdb")
    query = f"SELECT TIMESTAMPTZ '2024-05-01 09:00:00+09:00' + INTERVAL 1 MINUTE * k AS moment, k % 7 AS v {ROWS}"
    assert read(query, column="v")[0]["time"].tolist() == [1714521600.0 + 60 * k for k in range(2500)]


def test_a_statement_that_is_no_query_has_no_rows():
    pytest.importorskip("duckdb")
    source, stop = DuckDbSource("duckdb:CREATE TABLE a (v INTEGER)"), StopFlag()
    with suppress(SourceError):  # before duckdb 2 it has no answer at all, since then an empty one
        assert list(source.read(stop, 700)) == []
    source.close()
    stop.close()


def test_a_parquet_file_is_read(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "a.parquet"
    duckdb.sql(f"COPY ({TIMED}) TO '{path}' (FORMAT parquet)")
    assert len(read(f"SELECT moment, v FROM '{path}' ORDER BY moment")[0]) == 2500


def read_if_there(query, extension):
    """The points of a query, if the extension that it needs can be had here."""
    duckdb = pytest.importorskip("duckdb")
    try:
        duckdb.load_extension(extension)
    except duckdb.Error:
        pytest.skip(f"the extension {extension} of DuckDB is not there, and cannot be loaded")
    return read(query)[0]


def test_a_workbook_is_read(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["time", "value"])
    for minute in range(50):
        book.active.append([datetime(2024, 5, 1, 0, minute), minute % 7])
    book.save(tmp_path / "a.xlsx")
    points = read_if_there(f"SELECT * FROM read_xlsx('{tmp_path / 'a.xlsx'}')", "excel")
    assert points["time"].tolist() == [1714521600.0 + 60 * minute for minute in range(50)]


def test_a_table_of_sqlite_is_read(tmp_path):
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("CREATE TABLE readings (time TEXT, value REAL)")
        rows = [(f"2024-05-01 00:{minute:02}", minute % 7) for minute in range(50)]
        database.executemany("INSERT INTO readings VALUES (?, ?)", rows)
    database.close()
    points = read_if_there(f"SELECT * FROM sqlite_scan('{tmp_path / 'a.db'}', 'readings')", "sqlite")
    assert points["time"].tolist() == [1714521600.0 + 60 * minute for minute in range(50)]


@pytest.mark.parametrize(
    ("query", "message"), [("SELEC 1", "duckdb: Parser Error"), ("SELECT 1 AS a, 2 AS b", "more than one")]
)
def test_a_query_that_is_none_and_one_of_too_many_columns_are_told(query, message):
    pytest.importorskip("duckdb")
    with pytest.raises(SourceError, match=message):
        read(query)
