"""What a part of the program remembers, as arrays by name: plain facts packed into bytes, parts put together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import State


def packed(facts: object) -> NDArray[np.uint8]:
    """Texts, numbers, lists and dicts of them as bytes, shape (n,): every number comes back with the same bits."""
    return np.frombuffer(json.dumps(facts).encode(), np.uint8)


def unpacked(state: State, name: str) -> Any:
    """What was packed under a name; raises ValueError where nothing was.

    Examples
    --------
    >>> unpacked({"facts": packed([0.1, None, "a"])}, "facts")
    [0.1, None, 'a']
    """
    saved = state.get(name)
    if saved is None or saved.dtype != np.uint8 or saved.ndim != 1:
        raise ValueError(f"the saved state has no {name} as a row of bytes")
    try:
        return json.loads(saved.tobytes())
    except (ValueError, RecursionError):
        raise ValueError(f"the saved state's {name} cannot be read") from None


def attributes_of(owner: object, names: Sequence[str]) -> NDArray[np.uint8]:
    """Attributes of an object by name, packed: numbers, texts, None, and lists of them."""
    return packed({name: getattr(owner, name) for name in names})


def set_attributes(owner: object, names: Sequence[str], state: State, place: str) -> None:
    """Give an object the attributes that :func:`attributes_of` packed under a place; raises ValueError for others."""
    saved = unpacked(state, place)
    if not isinstance(saved, dict) or sorted(saved) != sorted(names):
        raise ValueError(f"the saved state's {place} is not of this version")
    for name in names:
        setattr(owner, name, saved[name])


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


def saved_array(state: State, name: str, like: NDArray[Any]) -> NDArray[Any]:
    """An array of a saved state; raises ValueError where it is not there in the type and shape of another one."""
    saved = state.get(name)
    if saved is None or saved.dtype != like.dtype or saved.shape != like.shape:
        raise ValueError(f"the saved state has no {name} of shape {like.shape} and this version's type")
    return saved
