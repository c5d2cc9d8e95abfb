from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from streamforest.reading.python_values import time_of, times_of, times_within, value_of, values_of

MAY = 1714521600.0


@pytest.mark.parametrize(
    ("raw", "value"),
    [(Decimal("21.5"), 21.5), (7, 7.0), (True, 1.0), (Fraction(1, 2), 0.5), (np.float32(0.5), 0.5), ("21.5", 21.5)],
)
def test_a_number_of_any_type_is_a_value(raw, value):
    assert value_of(raw) == value


@pytest.mark.parametrize("raw", [None, np.nan, np.ma.masked, "", "n/a", np.datetime64("NaT")])
def test_what_is_missing_is_nan(raw):
    assert np.isnan(value_of(raw))


@pytest.mark.parametrize("raw", [{}, "x", [1], np.array([1.0]), 5j])
def test_what_is_no_number_is_refused_in_one_line(raw):
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        value_of(raw)


@pytest.mark.parametrize(
    "raw",
    [
        MAY,
        int(MAY),
        datetime(2024, 5, 1, tzinfo=UTC),
        datetime(2024, 5, 1),
        datetime(2024, 5, 1, 2, tzinfo=timezone(timedelta(hours=2))),
        date(2024, 5, 1),
        np.datetime64("2024-05-01"),
        np.datetime64("2024-05-01T00:00:00", "ns"),
        "2024-05-01T00:00:00Z",
        np.float32(MAY),
    ],
)
def test_a_time_of_any_type_is_seconds(raw):
    assert time_of(raw) == MAY
    assert times_of([raw, None], 2).tolist()[0] == MAY


@pytest.mark.parametrize("raw", [MAY * 1000, np.inf, {}, "soon"])
def test_what_is_no_likely_time_is_refused(raw):
    with pytest.raises(ValueError, match="time"):
        time_of(raw)
    with pytest.raises(ValueError, match="time"):
        times_of([raw], 1)


@pytest.mark.parametrize("unit", ["D", "h", "m", "s", "ms", "us", "ns"])
def test_datetimes_of_any_unit_are_converted(unit):
    times = np.array(["2024-05-01", "NaT"], dtype=f"datetime64[{unit}]")
    assert times_of(times, 2).tolist()[0] == MAY
    assert np.isnan(times_of(times, 2)[1])
    assert times_of(np.array(["2024-05-01T00:00:00.25"], dtype="datetime64[ns]"), 1)[0] == MAY + 0.25


def test_masked_and_missing_entries_are_nan():
    masked = np.ma.masked_array([1, -9999, 3], mask=[False, True, False])
    np.testing.assert_array_equal(values_of(masked), [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(values_of([1, None, Decimal("3")]), [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(values_of(np.array([1, 2], dtype=np.float32)), [1.0, 2.0])
    moments = np.ma.masked_array(np.array(["2024-05-01", "2024-05-02"], dtype="datetime64[D]"), mask=[False, True])
    np.testing.assert_array_equal(times_of(moments, 2), [MAY, np.nan])


@pytest.mark.parametrize("raw", [[[1.0]], np.zeros((2, 2)), np.zeros(()), np.array([1j]), [[1], [2, 3]]])
def test_another_shape_or_type_is_refused_in_one_line(raw):
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        values_of(raw)


@pytest.mark.parametrize("raw", [{1.0}, "12", b"12", (k for k in "1"), 5.0])
def test_what_is_no_array_is_refused_by_its_type(raw):
    with pytest.raises(ValueError, match=rf"\Avalues are of the type {type(raw).__name__}; [^\n]+\Z"):
        values_of(raw)


def test_integers_of_any_size_and_masked_entries_may_stand_in_a_list():
    np.testing.assert_array_equal(values_of([1, np.ma.masked, 2**60]), [1.0, np.nan, 2.0**60])
    with pytest.raises(ValueError, match="allowed is a number"):
        values_of([1, 10**400])


@pytest.mark.parametrize(("unit", "count"), [("ps", 10**12), ("fs", 1500), ("as", 10**18), ("10ms", 150)])
def test_the_finest_and_the_odd_units_of_datetimes_are_converted(unit, count):
    parts = {"ps": 1e12, "fs": 1e15, "as": 1e18, "10ms": 100.0}[unit]
    assert times_of(np.array([count], f"datetime64[{unit}]"), 1)[0] == count / parts


#: What pandas calls its types that know missing entries, and the entries.
PANDAS = [
    ("Int64", [1, None, 3], [1.0, np.nan, 3.0]),
    ("Float32", [1, None, 3], [1.0, np.nan, 3.0]),
    ("boolean", [True, None, False], [1.0, np.nan, 0.0]),
    ("string", ["1.5", None, "n/a"], [1.5, np.nan, np.nan]),
    ("category", [1.5, None, 2.5], [1.5, np.nan, 2.5]),
    ("Sparse[float]", [1.5, np.nan, 0.0], [1.5, np.nan, 0.0]),
    ("double[pyarrow]", [1.5, None, 2.5], [1.5, np.nan, 2.5]),
    ("object", [Decimal("1.5"), None, 2], [1.5, np.nan, 2.0]),
    ("float32", [1.5, np.nan, 2.5], [1.5, np.nan, 2.5]),
    ("bool", [True, False, True], [1.0, 0.0, 1.0]),
]


@pytest.mark.parametrize(("kind", "entries", "numbers"), PANDAS, ids=[kind for kind, *_ in PANDAS])
def test_a_series_of_any_type_of_pandas_is_values(kind, entries, numbers):
    pandas = pytest.importorskip("pandas")
    if "pyarrow" in kind:
        pytest.importorskip("pyarrow")
    series = pandas.Series(entries, dtype=kind)
    for raw in (series, pandas.Index(series), series.array):
        np.testing.assert_array_equal(values_of(raw), numbers)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Vienna"])
def test_arrow_times_in_a_series_are_seconds(unit, zone):
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    moments = pandas.Series([pandas.Timestamp("2024-05-01", tz=zone), None])
    series = moments.astype(pandas.ArrowDtype(pyarrow.timestamp(unit, zone)))
    np.testing.assert_array_equal(times_of(series, 2), [MAY - 7200 * bool(zone), np.nan])


def test_tables_are_refused_in_one_line():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for table in (pandas.DataFrame({"a": [1, 2]}), polars.DataFrame({"a": [1, 2]})):
        for take in (values_of, lambda raw: times_of(raw, 2)):
            with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
                take(table)


def test_a_scalar_of_arrow_is_a_value_or_a_time():
    pyarrow = pytest.importorskip("pyarrow")
    assert value_of(pyarrow.scalar(1.5)) == 1.5
    assert np.isnan(value_of(pyarrow.scalar(None, pyarrow.float64())))
    assert time_of(pyarrow.scalar(datetime(2024, 5, 1))) == MAY


def test_pandas_and_its_nullable_types():
    pandas = pytest.importorskip("pandas")
    np.testing.assert_array_equal(values_of(pandas.Series([1, None, 3], dtype="Int64")), [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(values_of(pandas.Series([1.5, 2.5], index=["a", "b"])), [1.5, 2.5])
    for unit in ("s", "ms", "us", "ns"):
        index = pandas.DatetimeIndex(["2024-05-01", "2024-05-02"]).as_unit(unit)
        assert times_of(index, 2).tolist() == [MAY, MAY + 86400]
        assert times_of(index.tz_localize("Europe/Vienna"), 2)[0] == MAY - 7200
        assert times_of(pandas.Series(index).dt.tz_localize("UTC"), 2)[0] == MAY
    assert time_of(pandas.Timestamp("2024-05-01")) == MAY
    assert np.isnan(time_of(pandas.NaT))
    assert np.isnan(value_of(pandas.NA))


def test_polars_and_arrow():
    polars = pytest.importorskip("polars")
    np.testing.assert_array_equal(values_of(polars.Series([1, None, 3])), [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(values_of(polars.Series([Decimal("1.5"), None])), [1.5, np.nan])
    assert times_of(polars.Series([datetime(2024, 5, 1)]), 1)[0] == MAY
    vienna = polars.Series([datetime(2024, 5, 1), None]).dt.replace_time_zone("Europe/Vienna")
    np.testing.assert_array_equal(times_of(vienna, 2), [MAY - 7200, np.nan])
    np.testing.assert_array_equal(times_of(polars.Series([date(2024, 5, 1), None]), 2), [MAY, np.nan])
    np.testing.assert_array_equal(times_of(polars.Series(["2024-05-01", None]), 2), [MAY, np.nan])
    np.testing.assert_array_equal(values_of(polars.Series([True, None])), [1.0, np.nan])
    pyarrow = pytest.importorskip("pyarrow")
    np.testing.assert_array_equal(values_of(pyarrow.array([1, None, 3])), [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(values_of(pyarrow.chunked_array([[1.5], [2.5]])), [1.5, 2.5])
    assert times_of(pyarrow.array([datetime(2024, 5, 1)]), 1)[0] == MAY


def test_the_times_in_the_index_of_a_series_are_its_times_and_no_other_index_is():
    pandas = pytest.importorskip("pandas")
    hours = pandas.date_range("2024-05-01", periods=3, freq="h", tz="Europe/Vienna")
    series = pandas.Series([1.0, 2.0, 3.0], index=hours)
    wanted = [1714514400.0 + 3600 * k for k in range(3)]
    assert times_of(times_within(series), 3).tolist() == wanted
    by_period = pandas.Series([1.0, 2.0, 3.0], index=hours.tz_convert(None).to_period("h"))
    assert times_of(times_within(by_period), 3).tolist() == wanted
    for values in (pandas.Series([1.0]), series.to_numpy(), [1.0], "text"):
        assert times_within(values) is None
