"""One stream's record, judged by what could come next without learning it: libraries score and learn in two calls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamforest.detectors.isolation_forest import Judge, StreamDetector, judge_stream, new_records
from streamforest.models.model_file import Model, load_model
from streamforest.protocols import VERDICT_DTYPE, Verdicts


def judge_of(model: str | Path | Model, alarm_rate: float, holidays: NDArray[np.void] | None = None) -> Judge:
    """What judges records of streams, by a model or its file; raises ModelError, and ValueError for the rate."""
    loaded = load_model(Path(model)) if isinstance(model, str | Path) else model
    return StreamDetector(loaded, alarm_rate, holidays=holidays).judge


class StreamRecord:
    """All that is remembered of one stream."""

    def __init__(self) -> None:
        self._records = new_records()

    def learn(self, values: NDArray[np.float64], times: NDArray[np.float64], judge: Judge) -> Verdicts:
        """Judge and learn readings of shape (n,): the bits of :meth:`StreamDetector.update_many`."""
        return _judged(self._records, values, times, judge)

    def look(self, values: NDArray[np.float64], times: NDArray[np.float64], judge: Judge) -> Verdicts:
        """Judge each reading of shape (n,) as the next one of the stream, and learn none."""
        verdicts = np.empty(values.size, VERDICT_DTYPE)
        for at in range(values.size):
            verdicts[at] = _judged(self._records.copy(), values[at : at + 1], times[at : at + 1], judge)[0]
        return verdicts


def _judged(
    records: NDArray[np.void], values: NDArray[np.float64], times: NDArray[np.float64], judge: Judge
) -> Verdicts:
    verdicts = np.empty(values.size, VERDICT_DTYPE)
    judge_stream(records, 0, values, times, judge, verdicts)
    return verdicts
