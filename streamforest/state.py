"""What a part of the program remembers, as arrays by name: facts packed into bytes, parts put together."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import State

#: The greatest number that a part may have counted to.
MOST_COUNTED = 2**53


def packed(facts: object) -> NDArray[np.uint8]:
    """Texts, numbers, lists and dicts of them as bytes, shape (n,): every number comes back with the same bits."""
    return np.frombuffer(json.dumps(facts).encode(), np.uint8)


def unpacked(state: State, name: str, kind: Any = Any) -> Any:
    """What was packed under a name; raises ValueError where nothing was, or facts of another kind (see :func:`fits`).

    Examples
    --------
    >>> unpacked({"facts": packed([0.1, None, "a"])}, "facts", tuple[float, int | None, str])
    [0.1, None, 'a']
    """
    saved = state.get(name)
    if saved is None or saved.dtype != np.uint8 or saved.ndim != 1:
        raise ValueError(f"the saved state has no {name} as a row of bytes")
    try:
        facts = json.loads(saved.tobytes())
    except (ValueError, RecursionError):
        raise ValueError(f"the saved state's {name} cannot be read") from None
    if not fits(facts, kind):
        raise ValueError(f"the saved state's {name} is not of this version")
    return facts


def fits(facts: Any, kind: Any) -> bool:
    """Whether facts, as JSON holds them, are of a kind: what a checkpoint holds may be forged.

    Parameters
    ----------
    kind : type annotation
        Of texts, numbers, lists, tuples and dicts by text; a class whose fields are annotated stands for the list of
        their values. An ``int`` has at most 64 bits, a ``float`` may be written as one.

    Examples
    --------
    >>> fits([1, "a", "b"], tuple[int, str, ...]), fits([[1, None]], list[tuple[int, str | None]]), fits(True, int)
    (False, True, False)
    """
    if kind is Any:
        return True
    if kind is float or kind is int:
        is_number = isinstance(facts, int) and not isinstance(facts, bool)
        return (is_number and abs(facts) < 2**63) or (kind is float and isinstance(facts, float))
    if kind in (str, bool, types.NoneType):
        return isinstance(facts, kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(fits(facts, one) for one in inner)
    if origin is dict:
        return isinstance(facts, dict) and all(fits(value, inner[1]) for value in facts.values())
    if not isinstance(facts, list):
        return False
    if origin is list or inner[1:] == (...,):
        return all(fits(value, inner[0]) for value in facts)
    kinds = inner if origin is tuple else _kinds_of_fields(kind)
    return len(facts) == len(kinds) and all(map(fits, facts, kinds))


@cache
def _kinds_of_fields(kind: type) -> tuple[Any, ...]:
    return tuple(get_type_hints(kind).values())


def copied(records: NDArray[Any]) -> NDArray[Any]:
    """A copy of records that lie one behind the other, shape (n,): numpy's own takes three times as long."""
    return records.view(np.uint8).copy().view(records.dtype)


def attributes_of(owner: object, names: Sequence[str]) -> NDArray[np.uint8]:
    """Attributes of an object by name, packed: numbers, texts, None, and lists of them."""
    return packed({name: getattr(owner, name) for name in names})


def set_attributes(owner: object, names: Sequence[str], state: State, place: str) -> None:
    """Give an object the attributes that :func:`attributes_of` packed under a place.

    Raises ValueError for others, and for one of another kind than the object's own (of None: a number). What lists
    hold is not looked at.
    """
    saved = unpacked(state, place, dict[str, Any])
    if sorted(saved) != sorted(names) or not all(_is_alike(saved[name], getattr(owner, name)) for name in names):
        raise ValueError(f"the saved state's {place} is not of this version")
    for name in names:
        setattr(owner, name, saved[name])


def _is_alike(saved: Any, own: Any) -> bool:
    """Whether a saved attribute may take the place of an object's own."""
    if own is None:
        return fits(saved, float | None)
    return isinstance(saved, list) if isinstance(own, list) else fits(saved, type(own))


def joined(parts: Mapping[str, State]) -> State:
    """The states of parts as one state: :func:`part_of` takes them out again."""
    return {f"{part}.{name}": array for part, state in parts.items() for name, array in state.items()}


def part_of(state: State, part: str) -> State:
    """The state of one part of a joined state; empty where there is none.

    Examples
    --------
    >>> part_of(joined({"a": {"x": packed(1)}, "b": {}}), "a")
    {'x': array([49], dtype=uint8)}
    """
    mark = f"{part}."
    return {name.removeprefix(mark): array for name, array in state.items() if name.startswith(mark)}


def check_ranges(array: NDArray[Any], ranges: Mapping[str, tuple[Any, Any]], path: str = "") -> None:
    """Raise ValueError where an integer of an array of records is outside its range; the message names the field.

    Parameters
    ----------
    array : array of a structured type
        Its records may hold records.
    ranges : mapping of str to (least, greatest)
        By the name of the field; of each element where they are arrays. Integers of other names count: they are at
        least 0, and so small that they never overflow.

    Examples
    --------
    >>> check_ranges(np.array([(3, 0.5)], [("at", "i8"), ("x", "f8")]), {"at": (0, 2)})
    Traceback (most recent call last):
    ...
    ValueError: the saved state's at is outside its range, 0 to 2
    """
    for name in array.dtype.names or ():
        part = array[name]
        if part.dtype.names:
            check_ranges(part, ranges, f"{path}{name}.")
        elif part.dtype.kind in "iu":
            low, high = ranges.get(name, (0, MOST_COUNTED))
            if ((part < low) | (part > high)).any():
                raise ValueError(f"the saved state's {path}{name} is outside its range, {low} to {high}")


def saved_array(state: State, name: str, like: NDArray[Any]) -> NDArray[Any]:
    """An array of a saved state; raises ValueError where it is not there in the type and shape of another one."""
    saved = state.get(name)
    if saved is None or saved.dtype != like.dtype or saved.shape != like.shape:
        raise ValueError(f"the saved state has no {name} of shape {like.shape} and this version's type")
    return saved
