"""Verdicts as an array of numpy that a notebook shows as a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import streamforest


class VerdictArray(np.ndarray[Any, Any]):
    """An array of VERDICT_DTYPE, in all but its picture an array as any other.

    What is cut or computed from it is of this class too, as numpy has it, and is shown as text unless it is a run of
    verdicts of one stream. What is put together from several is an array of numpy.
    """

    __slots__ = ()

    def _repr_html_(self) -> str | None:
        return streamforest.html_of(self)

    def __repr__(self) -> str:
        return repr(self.view(np.ndarray))


def as_shown(verdicts: NDArray[np.void]) -> VerdictArray:
    """A view of verdicts that a notebook shows as a picture."""
    return verdicts.view(VerdictArray)
