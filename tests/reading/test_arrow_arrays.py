from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

from streamforest.reading.arrow_arrays import from_arrow, is_arrow

pyarrow = pytest.importorskip("pyarrow")
NUMBERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64")


class AsArray:
    """Hands out one array, as libraries do that have no chunks."""

    def __init__(self, array):
        self.array = array

    def __arrow_c_array__(self, requested_schema=None):
        return self.array.__arrow_c_array__(requested_schema)


class AsStream:
    """Hands out a stream and knows nothing else, as a library that is not known here."""

    def __init__(self, array):
        self.array = array

    def __arrow_c_stream__(self, requested_schema=None):
        return self.array.__arrow_c_stream__(requested_schema)


def all_ways(array):
    return [
        from_arrow(array),
        from_arrow(AsArray(array)),
        from_arrow(pyarrow.chunked_array([array])),
        from_arrow(AsStream(pyarrow.chunked_array([array]))),
    ]


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_any_type_are_floats_and_null_is_nan(kind):
    array = pyarrow.array(np.array([1, 0, 3], kind), mask=np.array([False, True, False]))
    for found in all_ways(array):
        np.testing.assert_array_equal(found, [1.0, np.nan, 3.0])


@pytest.mark.parametrize("start", [0, 1, 7, 8, 9])
def test_a_slice_begins_at_its_own_bits(start):
    flags = [None if k % 5 == 0 else k % 3 == 0 for k in range(40)]
    wanted = [np.nan if flag is None else float(flag) for flag in flags[start : start + 17]]
    for found in all_ways(pyarrow.array(flags).slice(start, 17)):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Vienna"])
def test_timestamps_are_moments_of_their_unit_in_utc(unit, zone):
    moment = datetime(2024, 5, 1, tzinfo=UTC) if zone else datetime(2024, 5, 1)
    for found in all_ways(pyarrow.array([moment, None], pyarrow.timestamp(unit, zone))):
        assert found.dtype == f"datetime64[{unit}]"
        np.testing.assert_array_equal(found, np.array(["2024-05-01", "NaT"], "datetime64[D]"))


@pytest.mark.parametrize("kind", ["date32", "date64"])
def test_dates_are_days(kind):
    found = from_arrow(pyarrow.array([date(2024, 5, 1), None], getattr(pyarrow, kind)()))
    np.testing.assert_array_equal(found, np.array(["2024-05-01", "NaT"], "datetime64[D]"))


def test_chunks_are_joined_and_none_make_an_empty_array():
    chunks = pyarrow.chunked_array([[1.5], [], [None, 2.5]])
    np.testing.assert_array_equal(from_arrow(chunks), [1.5, np.nan, 2.5])
    assert from_arrow(pyarrow.chunked_array([], pyarrow.int32())).tolist() == []
    np.testing.assert_array_equal(from_arrow(pyarrow.nulls(2)), [np.nan, np.nan])


def test_the_copy_stays_when_the_arrow_array_is_gone():
    found = from_arrow(pyarrow.array(np.arange(1000.0)))
    np.testing.assert_array_equal(found, np.arange(1000.0))
    found[0] = 5.0  # it is writable


@pytest.mark.parametrize("entries", [["a", "b"], [Decimal("1.5")], [[1], [2]]])
def test_other_entries_are_not_read_here(entries):
    assert from_arrow(pyarrow.array(entries)) is None
    assert from_arrow(pyarrow.array([1.5, 1.5]).dictionary_encode()) is None


def test_a_table_and_a_broken_stream_are_refused_in_one_line():
    table = pyarrow.table({"a": [1], "b": [2]})
    with pytest.raises(ValueError, match=r"\Aa table with columns; allowed is one of these\Z"):
        from_arrow(table)

    def batches():
        raise OSError("the disk\nis gone")
        yield

    class Broken:
        def __arrow_c_stream__(self, requested_schema=None):
            reader = pyarrow.RecordBatchReader.from_batches(pyarrow.schema({"a": pyarrow.int8()}), batches())
            return reader.__arrow_c_stream__(requested_schema)

    with pytest.raises(ValueError, match=r"\Aa table"):
        from_arrow(Broken())


def test_what_has_no_such_interface_is_none_of_arrow():
    assert not is_arrow([1.0])
    assert is_arrow(pyarrow.array([1.0]))
