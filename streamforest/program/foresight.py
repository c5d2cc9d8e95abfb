"""What is expected of the next points, for the picture: compiled beside it when it is asked for first."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from streamforest.features.observe import new_state
from streamforest.protocols import VERDICT_DTYPE, Verdicts

Look = Callable[[int], Verdicts]


def compile_forecast() -> None:
    """Have on disk, or in memory, what a forecast takes."""
    from streamforest.features.forecast import forecast  # noqa: PLC0415 - few runs need it

    forecast(new_state(), 0.001, 1)


class Foresight:
    """Looks ahead, see ``History.ahead``; knows nothing until all that it takes is compiled, which takes seconds once.

    Parameters
    ----------
    look : callable
        Steps -> what is expected of the next points.
    prepare : callable
        Compiles it; runs in a thread of its own.
    """

    def __init__(self, look: Look, prepare: Callable[[], None] = compile_forecast) -> None:
        self._look, self._prepare = look, prepare
        self._thread: threading.Thread | None = None

    def __call__(self, steps: int) -> Verdicts:
        """What is expected of the next points; nothing as long as it is not compiled."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._prepare, name="compile forecast", daemon=True)
            self._thread.start()
        return np.empty(0, VERDICT_DTYPE) if self._thread.is_alive() else self._look(steps)
