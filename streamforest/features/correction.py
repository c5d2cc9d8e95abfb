"""What a forecast by season leaves out: its error, foretold from the last value, the last season and the last error."""

from __future__ import annotations

from streamforest.compiled import Record, compiled

#: What the error of a forecast is foretold from: how far from it are the last usual value and the value a season ago,
#: and the error of the forecast before.
LAST, SEASON_AGO, ERROR = range(3)
N_INPUTS = 3
#: Points that the regression remembers, and how hard it is drawn towards no correction, in squares of a usual residual.
#: On the development boards and simulated streams 250 to 2,000 and 0.01 to 0.2 leave the same mean error to 0.3 %.
MEMORY, RIDGE = 500.0, 0.05
#: Inputs, errors and the correction are held to so many usual residuals, which bounds what any value does to it.
REACH = 4.0

FIELDS = [
    ("last_usual", "f8"),  # value, NaN where a reading is missing since
    ("last_error", "f8"),  # of the forecast before it was corrected; 0 where that tells nothing
    ("inputs", "f8", (N_INPUTS,)),  # of the next point, in usual residuals
    ("input_weights", "f8", (N_INPUTS,)),
    ("input_squares", "f8", (N_INPUTS, N_INPUTS)),  # mean products of the inputs
    ("input_errors", "f8", (N_INPUTS,)),  # of each with the error
]


@compiled
def _in_residuals(off: float, scale: float) -> float:
    """A distance in usual residuals, held to REACH; 0 for NaN."""
    return min(max(off / scale, -REACH), REACH) if off == off else 0.0


@compiled
def corrected(state: Record, forecast: float, season_ago: float, scale: float) -> float:
    """The forecast of the next value by the season with the error that is foretold.

    A cycle that is learned in small steps errs by the noise that it took in and by what has changed since, and a level
    beside it is the last value or some mean. How much of either to believe differs from stream to stream.

    Parameters
    ----------
    state : record with FIELDS
    forecast, season_ago : float
        What is corrected, and the value one season before the next one, NaN where unknown; units.
    scale : float
        Size of a usual residual at this point, units.
    """
    state.inputs[LAST] = _in_residuals(state.last_usual - forecast, scale)
    state.inputs[SEASON_AGO] = _in_residuals(season_ago - forecast, scale)
    state.inputs[ERROR] = _in_residuals(state.last_error, scale)
    foretold = 0.0
    for i in range(N_INPUTS):
        foretold += state.input_weights[i] * state.inputs[i]
    return forecast + scale * min(max(foretold, -REACH), REACH)


@compiled
def learn_error(state: Record, y: float, off: float, scale: float) -> None:
    """Learn what the uncorrected forecast of a usual value was wrong by, from the inputs before it.

    Parameters
    ----------
    state : record with FIELDS
    y, off, scale : float
        The value, the same less its forecast, and the size of a usual residual; units.

    Notes
    -----
    Least squares with exponential forgetting. One sweep of Gauss and Seidel's a point brings the weights nearer to the
    solution of the normal equations: cheaper than to solve them, and never upset by inputs that are alike.
    """
    state.last_usual, state.last_error = y, off
    if not state.season:
        return
    error = _in_residuals(off, scale)
    for i in range(N_INPUTS):
        state.input_errors[i] += (state.inputs[i] * error - state.input_errors[i]) / MEMORY
        for k in range(N_INPUTS):
            state.input_squares[i, k] += (state.inputs[i] * state.inputs[k] - state.input_squares[i, k]) / MEMORY
    for i in range(N_INPUTS):
        rest = state.input_errors[i]
        for k in range(N_INPUTS):
            if k != i:
                rest -= state.input_squares[i, k] * state.input_weights[k]
        state.input_weights[i] = rest / (state.input_squares[i, i] + RIDGE)
