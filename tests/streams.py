"""Streams, and the way of a whole stream through the features, for all tests that look at features."""

import numpy as np

from streamforest.compiled import compiled
from streamforest.features import observe as features
from streamforest.features.novelty import N_SIGNALS
from streamforest.features.vector import new_buffers
from streamforest.simulation.streams import SimulatedStream

RATE = 0.001


@compiled
def _observe_all(states, values, times, rate, surprises, novelties, outlooks):
    scratch = new_buffers()
    for i in range(values.size):
        buffers = scratch[0]
        if features.observe(states[0], values[i], times[i], rate, buffers):
            surprises[i], novelties[i], outlooks[i] = buffers.surprises, buffers.novelties, buffers.outlook


def observe(values, times=None, state=None):
    """Surprises, novelties, outlooks, a row a reading, NaN in the warm-up; and the state."""
    values = np.asarray(values, dtype=float)
    times = np.full(values.size, np.nan) if times is None else np.asarray(times, dtype=float)
    kinds = (features.N_FEATURES, N_SIGNALS, features.N_OUTLOOK)
    known = [np.full((values.size, kind), np.nan) for kind in kinds]
    state = features.new_state() if state is None else state
    _observe_all(state, values, times, RATE, *known)
    return *known, state[0]


def sine(period, points, seed=1, amplitude=4.0):
    """A sine, and the same with Gaussian noise of unit width."""
    pattern = amplitude * np.sin(2 * np.pi * np.arange(points) / period)
    return pattern, pattern + np.random.default_rng(seed).normal(size=points)


def stream(profile, points=3000, seed=1, outliers=0.02):
    """Values of a simulated stream."""
    return SimulatedStream(profile, seed, outliers).take(points)[0]
