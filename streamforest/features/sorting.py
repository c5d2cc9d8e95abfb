"""Sorting a few numbers: numba's own sort takes as long to compile as a tenth of all the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import compiled

#: Distances of what is compared, for some hundred numbers.
GAPS = (301, 132, 57, 23, 10, 4, 1)


@compiled
def sort(values: NDArray[Any]) -> None:
    """Sort numbers in place, shape (n,), of which none is NaN.

    References
    ----------
    Shell, "A high-speed sorting procedure", Communications of the ACM 2 (1959), doi 10.1145/368370.368387; the gaps of
    Ciura, "Best increments for the average case of Shellsort", FCT 2001, doi 10.1007/3-540-44669-9_12.
    """
    for gap in GAPS:
        for i in range(gap, values.size):
            value, at = values[i], i
            while at >= gap and value < values[at - gap]:
                values[at] = values[at - gap]
                at -= gap
            values[at] = value


@compiled
def ordered(values: NDArray[Any]) -> NDArray[Any]:
    """The numbers, shape (n,), of which none is NaN, sorted; a copy."""
    copy = np.empty(values.size, values.dtype)
    for i in range(values.size):
        copy[i] = values[i]
    sort(copy)
    return copy


@compiled
def inner_extremes(values: NDArray[Any], left_out: int) -> tuple[float, float]:
    """Least and greatest of numbers, shape (n,), none NaN, without so many on either side; n is above twice that."""
    lowest = ordered(values[: left_out + 1])
    highest = ordered(values[: left_out + 1])
    for i in range(left_out + 1, values.size):
        value = values[i]
        if value < lowest[left_out]:
            at = left_out
            while at > 0 and value < lowest[at - 1]:
                lowest[at] = lowest[at - 1]
                at -= 1
            lowest[at] = value
        if value > highest[0]:
            at = 0
            while at < left_out and value > highest[at + 1]:
                highest[at] = highest[at + 1]
                at += 1
            highest[at] = value
    return float(lowest[left_out]), float(highest[0])
