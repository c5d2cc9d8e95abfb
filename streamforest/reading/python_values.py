"""Readings as Python programs hold them -> arrays of floats: lists, Series, dates, decimals, masks, Arrow arrays."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamforest.reading.arrow_arrays import from_arrow, is_arrow
from streamforest.reading.notation import RefusedError, read_number, read_time

#: Seconds, UTC epoch, of the latest time that is taken, in the year 5138: milliseconds taken for seconds lie behind it.
LATEST = 1e11


def value_of(raw: Any) -> float:
    """One value; NaN for None, a masked one or pandas' NA.

    Raises
    ------
    ValueError
        It is no number; the message is one line.

    Examples
    --------
    >>> from decimal import Decimal
    >>> value_of(Decimal("21.5")), value_of(None)
    (21.5, nan)
    """
    if type(raw) is float:
        return raw
    raw = _unwrapped(raw)
    if _is_missing(raw):
        return math.nan
    if isinstance(raw, str):
        try:
            return read_number(raw)
        except RefusedError as error:
            raise ValueError(error.reason) from None
    if getattr(raw, "ndim", 0):
        raise ValueError(f"value has the shape {raw.shape}; allowed is one number, or update_many for an array")
    try:
        return float(raw)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"value is {_shown(raw)}; allowed is a number, or None or NaN for a missing reading") from None


def time_of(raw: Any) -> float:
    """One time as seconds, UTC epoch; NaN for None and NaT. A datetime without a zone is in UTC.

    Raises
    ------
    ValueError
        It is no time, infinite, or beyond the year 5000; the message is one line.

    Examples
    --------
    >>> time_of(datetime(2024, 5, 1, tzinfo=UTC)), time_of(np.datetime64("2024-05-01"))
    (1714521600.0, 1714521600.0)
    """
    raw = _unwrapped(raw)
    if _is_missing(raw):
        return math.nan
    if isinstance(raw, np.datetime64):
        seconds = float(_seconds_of(np.array([raw]))[0])
    elif isinstance(raw, datetime):
        seconds = (raw if raw.tzinfo else raw.replace(tzinfo=UTC)).timestamp()
    elif isinstance(raw, date):
        seconds = datetime(raw.year, raw.month, raw.day, tzinfo=UTC).timestamp()
    elif isinstance(raw, str):
        try:
            seconds = read_time(raw)
        except RefusedError as error:
            raise ValueError(error.reason) from None
    else:
        try:
            seconds = float(raw)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(
                f"time is {_shown(raw)}; allowed are seconds, UTC epoch, a datetime or None for an unknown one"
            ) from None
    if abs(seconds) > LATEST:
        raise ValueError(f"time is {seconds:.6g}, which is beyond the year 5000; allowed are seconds, UTC epoch")
    return seconds


def values_of(raw: Any) -> NDArray[np.float64]:
    """Values as an array of shape (n,), NaN for missing ones.

    Raises
    ------
    ValueError
        They have more than one dimension, or one is no number.
    """
    array = _array_of(raw, "values")
    if isinstance(array, list):
        return np.array([value_of(cell) for cell in array], dtype=np.float64)
    if array.dtype.kind in "fiub":
        return np.ascontiguousarray(array, dtype=np.float64)
    raise ValueError(f"values are of the type {array.dtype}; allowed are numbers, and None or NaN for missing readings")


def times_of(raw: Any, n: int) -> NDArray[np.float64]:
    """Times as an array of shape (n,), seconds, UTC epoch; NaN for unknown ones; all unknown for None.

    Raises
    ------
    ValueError
        They have more than one dimension, one is no time, infinite, or beyond the year 5000.
    """
    if raw is None:
        return np.full(n, np.nan)
    array = _array_of(raw, "times")
    if isinstance(array, list):
        seconds = np.array([time_of(cell) for cell in array], dtype=np.float64)
    elif array.dtype.kind == "M":
        seconds = _seconds_of(array)
    elif array.dtype.kind in "fiu":
        seconds = np.ascontiguousarray(array, dtype=np.float64)
    else:
        raise ValueError(f"times are of the type {array.dtype}; allowed are seconds, UTC epoch, and datetimes")
    if seconds.size and np.fmax.reduce(np.abs(seconds)) > LATEST:
        worst = seconds[np.nanargmax(np.abs(seconds))]
        raise ValueError(f"time {worst:.6g} is beyond the year 5000; allowed are seconds, UTC epoch, and datetimes")
    return seconds


def times_within(values: Any) -> Any:
    """The times that values have with them, as a Series of pandas in its index; None where they have none."""
    index: Any = getattr(values, "index", None)
    if type(index).__name__ == "PeriodIndex":
        return index.to_timestamp()
    return index if type(index).__name__ == "DatetimeIndex" else None


def _array_of(raw: Any, what: str) -> NDArray[Any] | list[Any]:
    """An array of numbers or datetimes, NaN or NaT where one is masked or null; a list of all else."""
    if isinstance(raw, np.ma.MaskedArray):  # what is behind a mask is missing
        kind = "datetime64[ns]" if raw.dtype.kind == "M" else np.float64
        raw = np.ma.filled(raw.astype(kind), np.datetime64("NaT") if raw.dtype.kind == "M" else np.nan)
    elif isinstance(raw, list | tuple):
        raw = _from_list(raw)
    elif hasattr(raw, "dtype") and hasattr(raw, "to_numpy") and hasattr(raw, "isna"):
        raw = _from_pandas(raw)
    elif is_arrow(raw):
        raw = _from_arrow(raw, what)
    if isinstance(raw, list):
        return raw
    try:
        array = np.asarray(raw)
    except (TypeError, ValueError):
        raise ValueError(f"{what} are of the type {type(raw).__name__}; allowed is an array or a list") from None
    if array.ndim != 1:
        shape = f"have the shape {array.shape}" if array.ndim else f"are of the type {type(raw).__name__}"
        raise ValueError(f"{what} {shape}; allowed is one dimension, (n,): an array or a list")
    return array.tolist() if array.dtype.kind in "OUS" else array


def _from_pandas(raw: Any) -> NDArray[Any]:
    """An array of a Series, an Index or an array of pandas, whatever its type knows of missing entries."""
    kind = getattr(raw.dtype, "kind", "O")
    if kind == "M":
        if (arrow := getattr(raw.dtype, "pyarrow_dtype", None)) is not None and hasattr(arrow, "unit"):
            return np.asarray(raw.to_numpy(dtype=f"datetime64[{arrow.unit}]", na_value=np.datetime64("NaT")))
        if getattr(raw.dtype, "tz", None) is not None:
            raw = raw.dt.tz_convert("UTC").dt.tz_localize(None) if hasattr(raw, "dt") else raw.tz_convert(None)
    elif kind in "fiub" and not isinstance(raw.dtype, np.dtype):  # its integers and booleans know NA
        return np.asarray(raw.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.asarray(raw.to_numpy())


def _from_arrow(raw: Any, what: str) -> NDArray[Any] | list[Any]:
    """An array of what Arrow knows as numbers or times, a list of other entries."""
    try:
        array = from_arrow(raw)
    except ValueError as error:
        raise ValueError(f"{what} are {error}") from None
    if array is not None:
        return array
    entries = getattr(raw, "to_pylist", None) or getattr(raw, "to_list", None)  # of pyarrow, of polars
    if entries is None:
        raise ValueError(f"{what} are text or decimals of Arrow in a {type(raw).__name__}; make numbers of them first")
    return list(entries())


def _from_list(raw: list[Any] | tuple[Any, ...]) -> NDArray[Any] | list[Any]:
    if any(isinstance(cell, list | tuple) or getattr(cell, "ndim", 0) for cell in raw):
        try:
            return np.array(raw)
        except ValueError:
            raise ValueError("the entries of a list differ in shape; allowed are numbers") from None
    if set(map(type, raw)) <= {float, int, bool}:
        with suppress(OverflowError):  # an integer may be too large
            return np.array(raw, dtype=np.float64)
    return list(raw)


#: Parts of a second that units of datetime64 count.
_PARTS = {"ms": 10**3, "us": 10**6, "ns": 10**9, "ps": 10**12, "fs": 10**15, "as": 10**18}


def _seconds_of(array: NDArray[Any]) -> NDArray[np.float64]:
    """Seconds, UTC epoch, of a datetime64 array of any unit; NaN for NaT."""
    unit, step = np.datetime_data(array.dtype)
    if unit in _PARTS:
        counts = array.astype(array.dtype.newbyteorder("=")).view(np.int64) * step
        seconds = counts // _PARTS[unit] + counts % _PARTS[unit] / _PARTS[unit]
    else:
        seconds = array.astype("datetime64[s]").view(np.int64).astype(np.float64)
    return np.where(np.isnat(array), np.nan, seconds)


def _unwrapped(raw: Any) -> Any:
    """What a scalar of Arrow stands for; all else as it is."""
    return raw.as_py() if hasattr(raw, "as_py") else raw


def _is_missing(raw: Any) -> bool:
    """Whether an object is None, a masked entry, NaT, pandas' NA or the like."""
    if raw is None or raw is np.ma.masked:
        return True
    return type(raw).__name__ in {"NAType", "NaTType"} or (isinstance(raw, np.datetime64) and bool(np.isnat(raw)))


def _shown(raw: Any) -> str:
    text = " ".join(repr(raw).split())
    return text if len(text) <= 60 else f"{text[:60]}..."
