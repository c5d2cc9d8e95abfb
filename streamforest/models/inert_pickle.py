"""Reads a joblib file without making any object of it: values, arrays and descriptions of the rest."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Most that a file may ask for: opcodes, bytes of a text, dimensions of an array.
MOST_OPCODES, MOST_TEXT, MOST_DIMENSIONS = 200_000, 4096, 4
#: Most kinds of structures in arrays, parts of one, bytes of one.
MOST_STRUCTURES, MOST_PARTS, MOST_ITEM = 100, 32, 4096

WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")
ARRAY = ("numpy", "ndarray")
DTYPE = ("numpy", "dtype")
SCALAR = (("numpy._core.multiarray", "scalar"), ("numpy.core.multiarray", "scalar"))

STRANGE = "it holds an array of a kind that no model needs"

Name = tuple[str, str]


class PickleError(ValueError):
    """The file is damaged, or holds what it may not hold; the message says what, in one line."""


class Description:
    """An object as a file describes it, never made.

    Attributes
    ----------
    name : tuple of str
        Module and name of its class.
    arguments : tuple
        What it would be called with.
    state : object
        What it would be filled with; None before the file says so.
    dtype : numpy.dtype or None
        Of an array's elements, where it describes that.
    """

    __slots__ = ("arguments", "dtype", "name", "state")

    def __init__(self, name: Name, arguments: tuple[Any, ...]) -> None:
        self.name = name
        self.arguments = arguments
        self.state: Any = None
        self.dtype: np.dtype[Any] | None = None


class Class:
    """A class that a file names, never imported."""

    __slots__ = ("name",)

    def __init__(self, name: Name) -> None:
        self.name = name


def read(content: bytes, names: Collection[Name]) -> Any:
    """The value in a joblib file's bytes.

    None, booleans, integers, floats, texts, bytes, lists, tuples and dictionaries with texts as keys come as they are;
    arrays of numbers as read-only views of the bytes; everything else as a :class:`Description`.

    Parameters
    ----------
    content : bytes
        An uncompressed pickle of protocol 4 or 5, as joblib writes it.
    names : collection of (module, name)
        Classes that it may describe. None of them is imported or called.

    Raises
    ------
    PickleError
        It holds anything else, asks for more than there is, or is damaged.

    Notes
    -----
    Every opcode makes at most one small object, there are at most MOST_OPCODES of them, and an array takes no memory
    of its own. Nothing here calls itself, so that nesting costs nothing.
    """
    try:
        return _Reader(content, names).run()
    except PickleError:
        raise
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error):
        # what an opcode needs is not there, or is something else
        raise PickleError("it is damaged") from None


class _Reader:
    """A pickle machine with the few opcodes that a fitted model needs."""

    def __init__(self, content: bytes, names: Collection[Name]) -> None:
        self._content = content
        self._names = {*names, WRAPPER, ARRAY, DTYPE, *SCALAR}
        self._at = 0
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: list[Any] = []
        self._structures = 0

    def run(self) -> Any:
        content, run = self._content, _OPCODES
        if content[:2] not in (b"\x80\x04", b"\x80\x05"):
            raise PickleError("it is no uncompressed joblib file")
        self._at = 2
        for _ in range(MOST_OPCODES):
            if self._at >= len(content):
                raise PickleError("it ends too early")
            opcode = content[self._at]
            self._at += 1
            if opcode == _STOP:
                return self._stack.pop()
            if opcode not in run:
                raise PickleError(f"it holds opcode {bytes([opcode])!r}, which no model needs")
            run[opcode](self)
        raise PickleError(f"it takes over {MOST_OPCODES:,} steps to read")

    def _take(self, n: int) -> bytes:
        end = self._at + n
        if end > len(self._content):
            raise PickleError("it ends too early")
        taken = self._content[self._at : end]
        self._at = end
        return taken

    def _length(self, n: int) -> int:
        return int.from_bytes(self._take(n), "little")

    def _from_mark(self) -> list[Any]:
        start = self._marks.pop()
        if start > len(self._stack):
            raise PickleError("it is damaged")
        items = self._stack[start:]
        del self._stack[start:]
        return items

    # values

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _text(self, n: int) -> None:
        if n > MOST_TEXT:
            raise PickleError(f"it holds a text of {n:,} bytes, allowed are {MOST_TEXT:,}")
        self._push(self._take(n).decode("utf-8"))

    def _bytes(self) -> None:
        self._push(self._take(self._length(1)))

    def _long(self) -> None:
        self._push(int.from_bytes(self._take(self._length(1)), "little", signed=True))

    def _frame(self) -> None:
        self._take(8)  # all is in memory already

    def _memoize(self) -> None:
        self._memo.append(self._stack[-1])

    def _get(self, n: int) -> None:
        self._push(self._memo[self._length(n)])

    # containers

    def _mark(self) -> None:
        self._marks.append(len(self._stack))

    def _tuple(self, n: int) -> None:
        items = tuple(self._stack[-n:])
        if len(items) < n:
            raise PickleError("it is damaged")
        self._stack[-n:] = [items]

    def _append(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise PickleError("it is damaged")
        target += items

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise PickleError("it is damaged")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) is not str:  # others could be made to collide, which takes for ever
                raise PickleError("it holds a dictionary with keys that are no texts")
            target[key] = value

    # objects

    def _class(self) -> None:
        name = self._stack.pop()
        module = self._stack.pop()
        if type(name) is not str or type(module) is not str:
            raise PickleError("it is damaged")
        if (module, name) not in self._names:
            raise PickleError(f"it holds {shown(f'{module}.{name}')}, which is no part of a model")
        self._push(Class((module, name)))

    def _describe(self) -> None:
        arguments = self._stack.pop()
        made = self._stack.pop()
        if type(made) is not Class or type(arguments) is not tuple:
            raise PickleError("it calls what is no class")
        self._push(_scalar(arguments) if made.name in SCALAR else Description(made.name, arguments))

    def _build(self) -> None:
        state = self._stack.pop()
        made = self._stack[-1]
        if type(made) is not Description or made.state is not None:
            raise PickleError("it fills what is no object, or one twice")
        made.state = state
        if made.name == DTYPE:
            self._structures += state[3] is not None
            if self._structures > MOST_STRUCTURES:
                raise PickleError(f"it holds over {MOST_STRUCTURES} kinds of structures")
            made.dtype = _dtype(made)
        elif made.name == WRAPPER:
            self._stack[-1] = self._array(state)

    def _array(self, state: dict[str, Any]) -> NDArray[Any]:
        """A view of the elements that follow in the file."""
        dtype, shape, order = state["dtype"].dtype, state["shape"], state["order"]
        if state["subclass"].name != ARRAY or dtype is None or type(order) is not str or order not in ("C", "F"):
            raise PickleError(STRANGE)
        if type(shape) is not tuple or len(shape) > MOST_DIMENSIONS or not all(_is_length(n) for n in shape):
            raise PickleError(STRANGE)
        if state.get("numpy_array_alignment_bytes") is not None:
            self._take(self._length(1))
        size = math.prod(shape) * dtype.itemsize
        left = len(self._content) - self._at
        if size > left:
            raise PickleError(f"it holds an array of {size:,} bytes where {left:,} are left")
        view: NDArray[Any] = np.ndarray(shape, dtype, self._content, self._at, order="F" if order == "F" else "C")
        self._at += size
        return view


def _is_length(n: object) -> bool:
    return type(n) is int and 0 <= n < 2**31


def _dtype(described: Description) -> np.dtype[Any]:
    """The type of elements: a number, or a structure of numbers; numpy is never handed the file's own description."""
    kind, state = described.arguments[0], described.state
    _, order, subarray, names, fields, size = state[:6]
    if subarray is not None or type(kind) is not str or type(order) is not str:
        raise PickleError(STRANGE)
    if names is None:
        if not re.fullmatch("b1|[iu][1248]|f[248]", kind) or order not in ("<", ">", "|", "="):
            raise PickleError(f"it holds an array of {shown(kind)}, which is no type of numbers")
        return np.dtype(order + kind)
    if type(names) is not tuple or type(fields) is not dict or not 1 <= len(names) <= MOST_PARTS:
        raise PickleError(STRANGE)
    parts = [fields[name] for name in names]
    formats, offsets = [part[0].dtype for part in parts], [part[1] for part in parts]
    if any(part is None or part.names is not None for part in formats) or not all(map(_is_length, [size, *offsets])):
        raise PickleError(STRANGE)
    # numpy's own check of this overflows
    ends = [offset + part.itemsize for offset, part in zip(offsets, formats, strict=True)]
    if not max(ends) <= size <= MOST_ITEM:
        raise PickleError(STRANGE)
    return np.dtype({"names": list(names), "formats": formats, "offsets": offsets, "itemsize": size})


def _scalar(arguments: tuple[Any, ...]) -> Any:
    """A number that was written as numpy's own."""
    described, content = arguments
    if described.dtype is None or described.dtype.names or type(content) is not bytes:
        raise PickleError("it holds a number of a kind that no model needs")
    if len(content) != described.dtype.itemsize:
        raise PickleError("it is damaged")
    return np.ndarray((), described.dtype, content).item()


def shown(text: str) -> str:
    """A text out of a file as it may be shown: short, on one line, without control characters."""
    printable = ascii(text)[1:-1]
    return printable if len(printable) <= 120 else f"{printable[:117]}..."


def _float(reader: _Reader) -> None:
    reader._push(struct.unpack(">d", reader._take(8))[0])


def _int(reader: _Reader) -> None:
    reader._push(struct.unpack("<i", reader._take(4))[0])


_STOP = ord(".")
_OPCODES: dict[int, Callable[[_Reader], None]] = {
    ord(opcode): run
    for opcode, run in {
        "\x95": _Reader._frame,
        "\x94": _Reader._memoize,
        "h": lambda reader: reader._get(1),
        "j": lambda reader: reader._get(4),
        "N": lambda reader: reader._push(None),
        "\x88": lambda reader: reader._push(True),
        "\x89": lambda reader: reader._push(False),
        "K": lambda reader: reader._push(reader._length(1)),
        "M": lambda reader: reader._push(reader._length(2)),
        "J": _int,
        "\x8a": _Reader._long,
        "G": _float,
        "\x8c": lambda reader: reader._text(reader._length(1)),
        "X": lambda reader: reader._text(reader._length(4)),
        "C": _Reader._bytes,
        "]": lambda reader: reader._push([]),
        "}": lambda reader: reader._push({}),
        ")": lambda reader: reader._push(()),
        "(": _Reader._mark,
        "t": lambda reader: reader._push(tuple(reader._from_mark())),
        "\x85": lambda reader: reader._tuple(1),
        "\x86": lambda reader: reader._tuple(2),
        "\x87": lambda reader: reader._tuple(3),
        "a": lambda reader: reader._append([reader._stack.pop()]),
        "e": lambda reader: reader._append(reader._from_mark()),
        "s": lambda reader: reader._set([reader._stack.pop(-2), reader._stack.pop()]),
        "u": lambda reader: reader._set(reader._from_mark()),
        "\x93": _Reader._class,
        "R": _Reader._describe,
        "\x81": _Reader._describe,
        "b": _Reader._build,
    }.items()
}
