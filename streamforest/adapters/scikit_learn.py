"""The default detector as an outlier detector of scikit-learn: fit, score_samples, predict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from streamforest.adapters.next_reading import StreamRecord, judge_of
from streamforest.models.model_file import Model


class StreamOutlierDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Learns the rows of ``fit`` in their order, each column a stream of its own; then judges what could come next.

    Every row that is given to ``score_samples``, ``decision_function`` or ``predict`` is judged as the next one behind
    those of ``fit``, and none is learned: the answers do not depend on the order of the rows. For a stream that goes on
    use StreamDetector.

    Parameters
    ----------
    model : str, Path or Model
        As trained by ``python model_prod.py``, or its file.
    alarm_rate : float
        Wanted share of normal rows that are flagged, in [1e-6, 0.2].

    Attributes
    ----------
    offset_ : float
        The alarm rate: rows whose score is below it are outliers.
    n_features_in_ : int
        Columns seen by ``fit``.
    feature_names_in_ : array of str
        Their names, where they have some.

    Notes
    -----
    NaN is a missing reading. Times are not taken, so a week by the clock and holidays are not known.
    """

    def __init__(self, model: str | Path | Model = "isolation_forest.joblib", alarm_rate: float = 0.001) -> None:
        self.model = model
        self.alarm_rate = alarm_rate

    def fit(self, X: ArrayLike, y: object = None) -> StreamOutlierDetector:  # noqa: N803, ARG002 - scikit-learn's names
        """Learn the rows, shape (n_samples, n_features), in their order.

        Raises
        ------
        ValueError
            They are no numbers, infinite, or of another shape; or the alarm rate is outside its range.
        ModelError
            The model cannot be loaded.
        """
        rows = self._rows(X, reset=True)
        self._judge = judge_of(self.model, self.alarm_rate)
        self._streams = [StreamRecord() for _ in range(rows.shape[1])]
        for stream, column in zip(self._streams, rows.T, strict=True):
            stream.learn(np.ascontiguousarray(column), np.full(column.size, np.nan), self._judge)
        self.offset_ = self.alarm_rate
        return self

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Share of normal rows that would look at least as unusual, in [0, 1], lower = more anomalous.

        The smallest p-value of a row's columns, times their number; 1 during the warm-up, when none is known.
        """
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        unknown = np.full(len(rows), np.nan)
        p_values = [
            stream.look(np.ascontiguousarray(column), unknown, self._judge)["p_value"]
            for stream, column in zip(self._streams, rows.T, strict=True)
        ]
        smallest = np.fmin.reduce(p_values)
        found: NDArray[np.float64] = np.fmin(len(p_values) * np.where(np.isnan(smallest), 1.0, smallest), 1.0)
        return found

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """``score_samples`` less ``offset_``: below 0 for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:  # noqa: N803
        """-1 for outliers, 1 for the others."""
        return np.where(self.decision_function(X) < 0.0, -1, 1)

    def _rows(self, X: ArrayLike, *, reset: bool) -> NDArray[np.float64]:  # noqa: N803
        checked: NDArray[np.float64] = validate_data(
            self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"
        )
        return checked

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
