"""Arrow arrays of any library -> arrays of numpy, by Arrow's C data interface: no library of Arrow is needed."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Formats of the interface that are numbers, and their types.
_NUMBERS = {"c": "i1", "C": "u1", "s": "i2", "S": "u2", "i": "i4", "I": "u4", "l": "i8", "L": "u8"}
_NUMBERS |= {"e": "f2", "f": "f4", "g": "f8"}
_DATES = {"tdD": ("i4", "D"), "tdm": ("i8", "ms")}
_BITS, _NULLS, _TABLE, _TIMESTAMP = "b", "n", "+s", "ts"
#: The letter that a timestamp has for its unit behind _TIMESTAMP.
_UNITS = {"s": "s", "m": "ms", "u": "us", "n": "ns"}

_Release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Schema(ctypes.Structure):
    _fields_ = (
        ("format", ctypes.c_char_p),
        ("name", ctypes.c_void_p),
        ("metadata", ctypes.c_void_p),
        ("flags", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", _Release),
        ("private_data", ctypes.c_void_p),
    )


class _Array(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", _Release),
        ("private_data", ctypes.c_void_p),
    )


class _Stream(ctypes.Structure):
    _fields_ = (
        ("get_schema", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_Schema))),
        ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_Array))),
        ("get_last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)),
        ("release", _Release),
        ("private_data", ctypes.c_void_p),
    )


_pointer_in = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_in.restype, _pointer_in.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


def is_arrow(raw: Any) -> bool:
    """Whether an object gives its entries by the interface."""
    return hasattr(raw, "__arrow_c_stream__") or hasattr(raw, "__arrow_c_array__")


def from_arrow(raw: Any) -> NDArray[Any] | None:
    """The entries of an Arrow array, chunked or not, in a new array of one dimension.

    Numbers and booleans as float64, NaN for null; timestamps and dates as datetime64, in UTC where they have a zone,
    NaT for null. None: it holds something else, such as text, decimals or words of a dictionary.

    Raises
    ------
    ValueError
        It is a table, or it cannot be read; the message says what it is, in one line.
    """
    if hasattr(raw, "__arrow_c_stream__"):
        return _of_stream(raw.__arrow_c_stream__())
    schema, array = raw.__arrow_c_array__()
    form = _form_of(_at(_Schema, schema, b"arrow_schema"))
    return None if form is None else _of_array(form, _at(_Array, array, b"arrow_array"))


def _at(kind: Any, capsule: Any, name: bytes) -> Any:
    """What a capsule holds, which stays the capsule's: it releases it."""
    return kind.from_address(_pointer_in(capsule, name))


def _of_stream(capsule: Any) -> NDArray[Any] | None:
    stream = _at(_Stream, capsule, b"arrow_array_stream")
    schema = _Schema()
    _check(stream, stream.get_schema(ctypes.addressof(stream), ctypes.byref(schema)))
    try:
        form = _form_of(schema)
    finally:
        schema.release(ctypes.addressof(schema))
    if form is None:
        return None
    parts = [_of_array(form, array) for array in _arrays(stream)]
    return np.concatenate([_of_array(form, _Array()), *parts])


def _arrays(stream: Any) -> Iterator[Any]:
    """The arrays of a stream; each is released when the next one is asked for."""
    while True:
        array = _Array()
        _check(stream, stream.get_next(ctypes.addressof(stream), ctypes.byref(array)))
        if not array.release:
            return
        try:
            yield array
        finally:
            array.release(ctypes.addressof(array))


def _check(stream: Any, code: int) -> None:
    if code:
        words = stream.get_last_error(ctypes.addressof(stream)) or b""
        raise ValueError(f"an Arrow stream that broke: {' '.join(words.decode(errors='replace').split()) or code}")


def _form_of(schema: Any) -> str | None:
    """The format of entries that can be read here; None for others."""
    form = schema.format.decode()
    if form == _TABLE:
        raise ValueError("a table with columns; allowed is one of these")
    is_read = form in _NUMBERS or form in _DATES or form in {_BITS, _NULLS} or form.startswith(_TIMESTAMP)
    return form if is_read and not schema.dictionary else None


def _of_array(form: str, array: Any) -> NDArray[Any]:
    """A copy of the entries of one array."""
    if form.startswith(_TIMESTAMP):
        entries: NDArray[Any] = _entries(array, "i8").view(f"datetime64[{_UNITS[form[2]]}]")
    elif form in _DATES:
        kind, unit = _DATES[form]
        entries = _entries(array, kind).astype("i8").view(f"datetime64[{unit}]")
    elif form == _NULLS:
        return np.full(array.length, np.nan)
    else:
        numbers = _bits(array, 1) if form == _BITS else _entries(array, _NUMBERS[form])
        entries = numbers.astype(np.float64)
    if array.length and array.buffers[0]:
        entries[~_bits(array, 0)] = np.datetime64("NaT") if entries.dtype.kind == "M" else np.nan
    return entries


def _entries(array: Any, kind: str) -> NDArray[Any]:
    """Entries of a fixed size, copied."""
    dtype = np.dtype(kind)
    return _bytes(array, 1, (array.offset + array.length) * dtype.itemsize).view(dtype)[array.offset :].copy()


def _bits(array: Any, buffer: int) -> NDArray[np.bool_]:
    """Entries of a bit each."""
    end = array.offset + array.length
    bits = np.unpackbits(_bytes(array, buffer, -(-end // 8)), count=end, bitorder="little")
    return bits[array.offset :].astype(np.bool_)


def _bytes(array: Any, buffer: int, n: int) -> NDArray[np.uint8]:
    """The first bytes of a buffer, which lie in memory of the array's."""
    if not n:
        return np.empty(0, np.uint8)
    found: NDArray[np.uint8] = np.ctypeslib.as_array((ctypes.c_uint8 * n).from_address(array.buffers[buffer]))
    return found
