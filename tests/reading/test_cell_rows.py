from datetime import date, datetime

import pytest

from streamforest.protocols import SourceError
from streamforest.reading.cell_rows import ROWS, CellSource
from streamforest.reading.column_layout import ANY_COLUMNS, ANY_DIALECT
from streamforest.reading.line_reader import LIMIT
from streamforest.terminal.stop import StopFlag


@pytest.fixture
def stop():
    flag = StopFlag()
    yield flag
    flag.close()


class RowsSource(CellSource):
    """Rows that are there."""

    def __init__(self, rows):
        super().__init__("a query", ANY_COLUMNS, ANY_DIALECT)
        self.kept = rows

    def rows(self, _stop):
        return iter(self.kept)

    def close(self):
        self.kept = []


def read(rows, stop, most=1000):
    source = RowsSource(rows)
    blocks = [*source.read(stop, most)]
    assert source.describe() == source.reader.describe()
    assert all(0 < len(block) <= most for block in blocks)
    return [(item.time, item.value) for block in blocks for item in block]


def test_rows_of_any_cells_are_read_behind_the_names_of_their_columns(stop):
    rows = [["day", "value"], [date(2024, 5, 1), 21.5], [datetime(2024, 5, 2, 12), None], ["2024-05-03", "a\nb"]]
    assert read(rows, stop) == [("2024-05-01", "21.5"), ("2024-05-02T12:00:00", ""), ("2024-05-03", "a b")]


@pytest.mark.parametrize("n", [ROWS - 1, ROWS, 2 * ROWS + 7])
def test_all_rows_come_in_order_however_many_and_however_long(n, stop):
    note = "x" * (LIMIT // 100)
    rows = [("value", "note"), *((k, note if k % 50 else "") for k in range(n))]
    assert [value for _, value in read(rows, stop, 300)] == [str(k) for k in range(n)]


def test_what_cannot_be_told_from_the_first_rows_is_an_error(stop):
    with pytest.raises(SourceError, match="a query: more than one column holds numbers"):
        read([("a", "b"), (1, 2), (3, 3)], stop)
    assert read([], stop) == read([("value",)], stop) == []


def test_a_row_without_a_cell_is_none_and_an_empty_cell_alone_is_a_missing_reading(stop):
    assert read([("time", "value"), (None, None), ("2024-05-01", 1)], stop) == [("2024-05-01", "1")]
    assert [value for _, value in read([("value",), (1,), (None,), (2,)], stop)] == ["1", "", "2"]
