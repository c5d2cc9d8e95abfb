"""What forests look at: the surprises of a reading, its shape and what sums them up, as one vector of fixed length."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, Records, compiled
from streamforest.features import observe as features

#: Features whose mean the forest sees too.
MEAN_OF = (features.CHANGE, features.SHIFT, features.PHASE, features.SHAPE)
#: What a forest looks at, in this order.
VECTOR_NAMES = (*features.FEATURE_NAMES, "strangeness", "mean", "highest")
N_VECTOR = len(VECTOR_NAMES)
STRANGENESS, MEAN, HIGHEST = range(features.N_FEATURES, features.N_FEATURES + 3)
LARGEST = float(np.finfo(np.float64).max)

#: Scratch arrays of one reading, the vector made there, and whether there is one.
BUFFERS_DTYPE = np.dtype([*features.BUFFER_FIELDS, ("vector", "f4", (N_VECTOR,)), ("has_vector", "i8")])
Buffers: TypeAlias = Record


@compiled
def vectorise(surprises: NDArray[np.float64], strangeness: float, vector: NDArray[np.float32]) -> None:
    """Surprises as the forest sees them: in the logarithm, in which a forest's even cuts reach far out.

    The strangeness of the newest shape, the mean of some and the highest stand beside them: a forest cuts one
    feature at a time, and would see neither one that is far out among many that are not, nor many that are a
    little out.
    """
    for f in range(surprises.size):
        # most are nothing at all, and a logarithm takes as long as a tree's walk
        vector[f] = np.float32(np.log(1.0 + surprises[f] / 3.0)) if surprises[f] > 0.0 else np.float32(0.0)
    highest = vector[0]
    for f in range(1, surprises.size):
        highest = max(highest, vector[f])
    total = np.float32(0.0)
    for f in MEAN_OF:
        total += vector[f]
    vector[STRANGENESS] = np.float32(strangeness)
    vector[MEAN] = total / np.float32(len(MEAN_OF))
    vector[HIGHEST] = highest


@compiled
def _held(value: float) -> float:
    """The finite number next to one that may have overflowed."""
    return min(max(value, -LARGEST), LARGEST)


@compiled
def new_buffers(n: int = 1) -> NDArray[np.void]:
    """Buffers of BUFFERS_DTYPE for n readings, shape (n,): a record alone would not keep its memory."""
    return np.zeros(n, dtype=BUFFERS_DTYPE)


@compiled
def look(state: Record, value: float, time: float, rate: float, buffers: Buffers) -> None:
    """Take the next reading: fill in the buffers' vector and all it is made of, and whether there is one.

    Parameters
    ----------
    state : record of features.FEATURES_DTYPE
    value, time, rate : float
        As in ``features.observe``.
    buffers : record of BUFFERS_DTYPE
        Output.
    """
    buffers.has_vector = features.observe(state, value, time, rate, buffers)
    if buffers.has_vector:
        vectorise(buffers.surprises, buffers.outlook[features.STRANGENESS], buffers.vector)


@compiled
def tell_expected(outlook: NDArray[np.float64], verdict: Record) -> None:
    """Fill in a verdict's ``expected``, ``lower`` and ``upper`` from the outlook that :func:`look` left."""
    expected = _held(outlook[features.EXPECTED])
    verdict.expected = expected
    verdict.lower = _held(expected - _held(outlook[features.BELOW]))
    verdict.upper = _held(expected + _held(outlook[features.ABOVE]))


@compiled
def describe_stream(
    states: Records, values: NDArray[np.float64], times: NDArray[np.float64], vectors: NDArray[np.float32]
) -> None:
    """The vectors that the forest is fitted on, shape (n, len(VECTOR_NAMES)); NaN during the warm-up."""
    scratch = new_buffers()
    for i in range(values.size):
        buffers = scratch[0]
        if features.observe(states[0], values[i], times[i], 0.001, buffers):
            vectorise(buffers.surprises, buffers.outlook[features.STRANGENESS], vectors[i])
        else:
            vectors[i] = np.nan
