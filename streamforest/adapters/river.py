"""The default detector as an anomaly detector of river: score_one and learn_one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamforest.adapters.next_reading import StreamRecord, judge_of
from streamforest.models.model_file import Model
from streamforest.optional import optional
from streamforest.reading.python_values import time_of, value_of

_base: Any = optional("river.base", "river")


class RiverDetector(_base.AnomalyDetector):  # type: ignore[misc] # river is optional
    """Judges each feature of river's dictionaries as a stream of its own; the highest score counts.

    ``score_one`` learns nothing; ``learn_one`` learns as :meth:`StreamDetector.update` does, with the same bits.

    Parameters
    ----------
    model : str, Path or Model
        As trained by ``python model_prod.py``, or its file.
    alarm_rate : float
        Wanted share of normal points that are flagged, in [1e-6, 0.2]; it moves the threshold, not the score.
    time : str
        Feature that holds the time of the others, where there is one: seconds, UTC epoch, or a datetime.
    holidays : array, optional
        Days that are judged as Sundays, see :func:`~streamforest.features.holidays.public_holidays`; they need times.

    Raises
    ------
    ModelError
        The model cannot be loaded.
    MissingPackageError
        river is not installed.

    Examples
    --------
    >>> detector = RiverDetector("isolation_forest.joblib")  # doctest: +SKIP
    >>> score = detector.score_one({"flow": 21.5})  # doctest: +SKIP
    >>> detector.learn_one({"flow": 21.5})  # doctest: +SKIP
    """

    def __init__(
        self,
        model: str | Path | Model = "isolation_forest.joblib",
        alarm_rate: float = 0.001,
        time: str = "time",
        holidays: NDArray[np.void] | None = None,
    ) -> None:
        self.model = model
        self.alarm_rate = alarm_rate
        self.time = time
        self.holidays = holidays
        self._judge = judge_of(model, alarm_rate, holidays)
        self._streams: dict[Any, StreamRecord] = {}

    def score_one(self, x: Mapping[Any, Any]) -> float:
        """Anomaly score in [0, 1], higher = more anomalous; NaN during the warm-up.

        Raises
        ------
        ValueError
            A feature is no number, or the time is none.
        """
        seen = [self._verdict(name, value, time, learns=False) for name, value, time in self._readings(x)]
        scores = [verdict["score"] for verdict in seen if verdict["score"] == verdict["score"]]
        return float(max(scores, default=math.nan))

    def is_anomaly_one(self, x: Mapping[Any, Any]) -> bool:
        """Whether a feature would be flagged, its score against the threshold of its stream."""
        return any(self._verdict(*reading, learns=False)["is_anomaly"] for reading in self._readings(x))

    def learn_one(self, x: Mapping[Any, Any]) -> None:
        """Learn one reading of each feature."""
        for reading in [*self._readings(x)]:  # nothing is learned where one of them is no number
            self._verdict(*reading, learns=True)

    def _readings(self, x: Mapping[Any, Any]) -> Iterator[tuple[Any, float, float]]:
        time = time_of(x.get(self.time))
        for name, raw in x.items():
            if name != self.time:
                value = value_of(raw)
                if math.isinf(value):
                    raise ValueError(f"feature {name!r} is {value}, allowed are finite numbers and NaN")
                yield name, value, time

    def _verdict(self, name: Any, value: float, time: float, *, learns: bool) -> np.void:
        record = self._streams.get(name) or StreamRecord()
        if learns:
            self._streams[name] = record
        judged = (record.learn if learns else record.look)(np.array([value]), np.array([time]), self._judge)
        return judged[0]  # type: ignore[no-any-return]
