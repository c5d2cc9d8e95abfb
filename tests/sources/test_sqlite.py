import sqlite3

import numpy as np
import pytest

from streamforest.protocols import SourceError
from streamforest.reading.validation import Validator
from streamforest.sources import SourceOptions, open_source
from streamforest.terminal.stop import StopFlag

N = 2500
TIMES = [1714521600.0 + 60 * k for k in range(N)]
VALUES = [k % 7 / 2 for k in range(N)]


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "a b.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE readings (taken REAL, sensor TEXT, value REAL)")
        connection.executemany("INSERT INTO readings VALUES (?, 'x', ?)", zip(TIMES, VALUES, strict=True))
    connection.close()
    return path


def read(word, stop=None, **asked):
    source, flag, validator = (
        open_source(f"sqlite:{word}", SourceOptions(print, **asked)),
        stop or StopFlag(),
        Validator(),
    )
    try:
        checked = [validator.check(block)[0] for block in source.read(flag, 700)]
    finally:
        source.close()
        flag.close()
    return np.concatenate([np.empty(0, validator.check([])[0].dtype), *checked])


def test_the_only_table_is_read_without_a_query_and_a_query_is_answered_in_its_order(database):
    for word in (database, f"{database}?SELECT taken, value FROM readings ORDER BY taken"):
        points = read(word)
        assert points["time"].tolist() == TIMES
        assert points["value"].tolist() == VALUES
    query = "SELECT taken AS time, 2 * value AS twice FROM readings LIMIT 3"
    assert read(f"{database}?{query}")["value"].tolist() == [0, 1, 2]


def test_a_missing_value_is_one_and_a_database_that_is_written_to_meanwhile_is_read(database):
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("INSERT INTO readings VALUES (?, 'x', NULL)", (TIMES[-1] + 60,))
    connection.commit()
    points = read(database)
    assert np.isnan(points["value"]).tolist() == [False] * N + [True]
    connection.close()


def test_nothing_is_written(database):
    before = database.read_bytes()
    with pytest.raises(SourceError, match="readonly"):
        read(f"{database}?DELETE FROM readings RETURNING taken, value")
    assert database.read_bytes() == before


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("", "there is no file to read; write sqlite:FILE"),
        ("nowhere.db", "there is no file nowhere.db"),
        ("{}?SELEC 1", "syntax error"),
        ("{}?SELECT 1 AS a, 2 AS b", "more than one column"),
    ],
)
def test_what_cannot_be_read_is_told(word, message, database):
    with pytest.raises(SourceError, match=message):
        read(word.format(database))


def test_several_tables_none_and_what_is_no_database_are_told(database, tmp_path):
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE other (a)")
    connection.close()
    with pytest.raises(SourceError, match=r"SELECT \.\.\.\"; the tables are: readings, other"):
        read(database)
    for name, content, message in (("b", b"", "there is no table"), ("c", b"1\n2\n" * 999, "not a database")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=message):
            read(tmp_path / name)


def test_a_request_to_stop_ends_a_query_that_takes_for_ever(database):
    stop = StopFlag()
    stop.request()
    endless = "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n) SELECT max(k) AS value FROM n"
    assert len(read(f"{database}?{endless}", stop)) == 0
