"""Trains an LSTM autoencoder on windows of normal streams, by Keras on JAX, and hands on its weights."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.features.tails import TAIL_SHARES
from streamforest.features.windows import N_SCALES, WINDOW, windows_of
from streamforest.models.lstm import Weights, reconstruct_newest
from streamforest.optional import optional

GROUP = "lstm-autoencoder"
#: Units of encoder and decoder, and numbers of the code between them.
UNITS, CODE = 24, 12
#: Windows of a batch; rate of learning that a cosine takes to 0; error beyond which the loss is linear, in spreads.
BATCH, RATE, ROBUST = 256, 6e-3, 0.5
#: Newest points that are hidden at most, and the largest share of the others: they are reconstructed from the rest.
HIDDEN_NEWEST, HIDDEN_OTHERS = 2, 0.2
#: Windows that decide how often all are gone through: a short file's are gone through more often, up to a limit.
USUAL_WINDOWS, EPOCHS, MOST_EPOCHS = 240_000, 8, 100


class Samples(NamedTuple):
    """Windows to train on or to check with.

    Attributes
    ----------
    windows : float32 array, shape (n, WINDOW)
        As from ``windows.windows_of``.
    scales : int64 array, shape (n,)
        Which of ``windows.SCALES`` each is of.
    """

    windows: NDArray[np.float32]
    scales: NDArray[np.int64]


def sample(streams: Iterable[NDArray[np.float64]], most: int, rng: np.random.Generator) -> Samples:
    """Draw at most so many windows of each scale from each stream; NaN in a stream is not to be learned."""
    windows, scales = [np.empty((0, WINDOW), np.float32)], [np.empty(0, np.int64)]
    for values in streams:
        for k in range(N_SCALES):
            found = windows_of(values, k)
            found = found[~np.isnan(found[:, -1])]
            windows.append(found[np.sort(rng.permutation(len(found))[:most])])
            scales.append(np.full(len(windows[-1]), k))
    return Samples(np.concatenate(windows), np.concatenate(scales))


def load_keras() -> Any:
    """Keras on JAX on the CPU, silent; raises MissingPackageError."""
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    optional("jax", GROUP)
    return optional("keras", GROUP)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that train."""
    keras, jax = load_keras(), optional("jax", GROUP)
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "keras": keras.__version__,
        "jax": jax.__version__,
    }


def network(units: int = UNITS, code: int = CODE) -> Any:
    """The network, untrained: what ``lstm.reconstruct`` computes, of windows of (value, whether it is shown)."""
    keras = load_keras()
    layers = keras.layers
    seen = keras.Input((WINDOW, 2), dtype="float32")
    inner = layers.Dense(code, activation="tanh")(layers.LSTM(units)(seen))
    outer = layers.LSTM(units, return_sequences=True)(layers.RepeatVector(WINDOW)(inner))
    return keras.Model(seen, layers.Dense(1)(outer))


def seen_by(windows: NDArray[np.float32], is_shown: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Windows as the network sees them, shape (n, WINDOW, 2): values, 0 where unknown or hidden, and which they are."""
    is_shown = is_shown & ~np.isnan(windows)
    return np.stack([np.where(is_shown, windows, np.float32(0.0)), is_shown], axis=-1, dtype=np.float32)


def hide(windows: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Windows with newest points and some others hidden, as the network sees them."""
    n = len(windows)
    is_shown = rng.random(windows.shape) > HIDDEN_OTHERS * rng.random((n, 1))
    is_shown &= np.arange(WINDOW) < WINDOW - rng.integers(1, HIDDEN_NEWEST + 1, (n, 1))
    return seen_by(windows, is_shown)


def epochs_for(n: int) -> int:
    """How often n windows are gone through."""
    return min(max(EPOCHS * USUAL_WINDOWS // max(n, 1), EPOCHS), MOST_EPOCHS)


def fit(windows: NDArray[np.float32], seed: int, notify: Callable[[int, int], None]) -> Weights:
    """Train a network to tell whole windows from what it is shown of them.

    Parameters
    ----------
    windows : float32 array, shape (n, WINDOW), n at least 1
        Of normal life; NaN where unknown.
    seed : int
        The same seed, windows and versions give the same weights on the same kind of processor.
    notify : callable
        Takes how many epochs are done, and of how many.

    Raises
    ------
    MissingPackageError
        The framework is not installed.
    """
    keras = load_keras()
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng([seed, 3])
    model, epochs = network(), epochs_for(len(windows))
    steps = epochs * -(-len(windows) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), keras.losses.Huber(ROBUST), jit_compile=True)
    is_shown = (~np.isnan(windows)).astype(np.float32)[:, ::-1]
    wanted = np.nan_to_num(windows)[:, ::-1, None]
    for epoch in range(epochs):
        notify(epoch, epochs)
        model.fit(hide(windows, rng), wanted, batch_size=BATCH, sample_weight=is_shown, verbose=0)
    notify(epochs, epochs)
    return weights_of(model)


def weights_of(model: Any) -> Weights:
    """A network's weights in the order of ``lstm.Weights``."""
    return Weights(*(np.ascontiguousarray(array, dtype=np.float32) for array in model.get_weights()))


def newest_errors(weights: Weights, windows: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far each window's newest point is from its reconstruction, in spreads, shape (n,)."""
    made = np.empty((len(windows), 1), dtype=np.float32)
    reconstruct_newest(weights, windows, made)
    return np.abs(windows[:, -1].astype(np.float64) - made[:, 0])


def usual_errors(weights: Weights, samples: Samples) -> NDArray[np.float64]:
    """Errors that a share of TAIL_SHARES has, by scale, shape (N_SCALES, 3), rising; of all where one has few."""
    errors = newest_errors(weights, samples.windows)
    shares = [1.0 - share for share in TAIL_SHARES]
    rows = []
    for k in range(N_SCALES):
        found = errors[samples.scales == k]
        row = np.quantile(found if len(found) >= 1.0 / TAIL_SHARES[2] else errors, shares)
        row[0] = max(row[0], 1e-3)
        row[1] = max(row[1], 1.2 * row[0])
        row[2] = max(row[2], row[1] + 0.3 * (row[1] - row[0]))
        rows.append(row)
    return np.array(rows)
