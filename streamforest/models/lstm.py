"""The weights of an LSTM autoencoder, their file, and its compiled forward pass."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import compiled
from streamforest.features.windows import N_SCALES, SCALES, WINDOW
from streamforest.models.forest import ModelError
from streamforest.models.inert_pickle import shown
from streamforest.models.model_file import bytes_of
from streamforest.storage.safe_files import whole_file

FORMAT = 1
MAKE_ONE = "make one with 'python model_prod.py --detector lstm-autoencoder'"
#: Larger than any file of this format; most units of an LSTM, most numbers of a code.
MOST_BYTES, MOST_UNITS = 10_000_000, 256
#: What an encoder sees of a point: its value, 0 where it is missing, and whether it is there.
N_INPUTS = 2


class Weights(NamedTuple):
    """An autoencoder: LSTM encoder, code, LSTM decoder that begins with the newest point, dense output.

    Gates stand side by side in the order input, forget, candidate, output, as in Keras; H units, C numbers of code.

    Attributes
    ----------
    encoder_input, encoder_recurrent, encoder_bias : float32 arrays, shapes (2, 4 H), (H, 4 H), (4 H,)
    code, code_bias : float32 arrays, shapes (H, C), (C,)
        Dense, hyperbolic tangent.
    decoder_input, decoder_recurrent, decoder_bias : float32 arrays, shapes (C, 4 H), (H, 4 H), (4 H,)
    output, output_bias : float32 arrays, shapes (H, 1), (1,)
    """

    encoder_input: NDArray[np.float32]
    encoder_recurrent: NDArray[np.float32]
    encoder_bias: NDArray[np.float32]
    code: NDArray[np.float32]
    code_bias: NDArray[np.float32]
    decoder_input: NDArray[np.float32]
    decoder_recurrent: NDArray[np.float32]
    decoder_bias: NDArray[np.float32]
    output: NDArray[np.float32]
    output_bias: NDArray[np.float32]


class LstmModel(NamedTuple):
    """All that the weights' file holds.

    Attributes
    ----------
    weights : Weights
    errors : float64 array, shape (N_SCALES, 3)
        Errors that a share of ``tails.TAIL_SHARES`` of the normal training windows has, by scale, in spreads.
    seed : int
        What the training was seeded with.
    versions : dict of str to str
        Versions of Python and of the packages that trained it.
    report : dict of str to float
        The figures of the training report.
    """

    weights: Weights
    errors: NDArray[np.float64]
    seed: int
    versions: dict[str, str]
    report: dict[str, float]


class LstmBuffers(NamedTuple):
    """Buffers: a window, gates, memory, output and code."""

    window: NDArray[np.float32]
    gates: NDArray[np.float32]
    memory: NDArray[np.float32]
    hidden: NDArray[np.float32]
    code: NDArray[np.float32]


@compiled
def new_lstm_buffers(weights: Weights) -> LstmBuffers:
    """Buffers for one caller."""
    units = weights.encoder_recurrent.shape[0]
    return LstmBuffers(
        np.empty(WINDOW, dtype=np.float32),
        np.empty(4 * units, dtype=np.float32),
        np.empty(units, dtype=np.float32),
        np.empty(units, dtype=np.float32),
        np.empty(weights.code_bias.size, dtype=np.float32),
    )


@compiled
def _sigmoid(x: np.float32) -> np.float32:
    y: np.float32 = np.float32(1.0) / (np.float32(1.0) + np.exp(-x))
    return y


@compiled
def _tanh(x: np.float32) -> np.float32:
    y: np.float32 = np.float32(2.0) / (np.float32(1.0) + np.exp(np.float32(-2.0) * x)) - np.float32(1.0)
    return y


@compiled
def _remember(buffers: LstmBuffers, recurrent: NDArray[np.float32]) -> None:
    """One step of an LSTM whose gates hold bias and input already."""
    gates, memory, hidden = buffers.gates, buffers.memory, buffers.hidden
    units = hidden.size
    for j in range(units):
        h = hidden[j]
        row = recurrent[j]
        for i in range(4 * units):
            gates[i] += h * row[i]
    for i in range(units):
        keep = _sigmoid(gates[units + i]) * memory[i]
        memory[i] = keep + _sigmoid(gates[i]) * _tanh(gates[2 * units + i])
        hidden[i] = _sigmoid(gates[3 * units + i]) * _tanh(memory[i])


@compiled
def encode(weights: Weights, buffers: LstmBuffers) -> None:
    """Fill in the code of the window, in which NaN is unknown."""
    gates = buffers.gates
    buffers.memory[:] = np.float32(0.0)
    buffers.hidden[:] = np.float32(0.0)
    for t in range(WINDOW):
        x = buffers.window[t]
        gates[:] = weights.encoder_bias
        if x == x:
            for i in range(gates.size):
                gates[i] += x * weights.encoder_input[0, i] + weights.encoder_input[1, i]
        _remember(buffers, weights.encoder_recurrent)
    for c in range(buffers.code.size):
        total = weights.code_bias[c]
        for j in range(buffers.hidden.size):
            total += buffers.hidden[j] * weights.code[j, c]
        buffers.code[c] = _tanh(total)


@compiled
def reconstruct(weights: Weights, buffers: LstmBuffers, points: NDArray[np.float32]) -> None:
    """Reconstruct the window, the newest point first, as many points as asked for.

    Parameters
    ----------
    weights : Weights
    buffers : LstmBuffers
        With its window filled in, NaN where a point is unknown.
    points : float32 array, shape (n,), n at most WINDOW
        Output.

    References
    ----------
    Malhotra and others, "LSTM-based Encoder-Decoder for Multi-sensor Anomaly Detection", 2016, arXiv 1607.00148:
    an encoder-decoder trained on normal windows that reconstructs them in reverse order.
    Hochreiter and Schmidhuber 1997, doi 10.1162/neco.1997.9.8.1735.
    """
    encode(weights, buffers)
    gates = buffers.gates
    buffers.memory[:] = np.float32(0.0)
    buffers.hidden[:] = np.float32(0.0)
    for t in range(points.size):
        gates[:] = weights.decoder_bias
        for c in range(buffers.code.size):
            for i in range(gates.size):
                gates[i] += buffers.code[c] * weights.decoder_input[c, i]
        _remember(buffers, weights.decoder_recurrent)
        total = weights.output_bias[0]
        for j in range(buffers.hidden.size):
            total += buffers.hidden[j] * weights.output[j, 0]
        points[t] = total


@compiled
def reconstruct_newest(weights: Weights, windows: NDArray[np.float32], points: NDArray[np.float32]) -> None:
    """Reconstruct the newest, hidden point of each of several windows.

    Parameters
    ----------
    weights : Weights
    windows : float32 array, shape (n, WINDOW)
    points : float32 array, shape (n, 1)
        Output.
    """
    buffers = new_lstm_buffers(weights)
    for i in range(windows.shape[0]):
        buffers.window[:] = windows[i]
        buffers.window[WINDOW - 1] = np.float32(np.nan)
        reconstruct(weights, buffers, points[i])


def save_lstm(model: LstmModel, path: Path) -> None:
    """Write the weights' file, whole or not at all; raises OSError."""
    about = {
        "format": FORMAT,
        "window": WINDOW,
        "scales": list(SCALES),
        "seed": model.seed,
        "versions": model.versions,
        "report": model.report,
    }
    with whole_file(path) as file:
        np.savez(file, about=np.array(json.dumps(about)), errors=model.errors, **model.weights._asdict())


def load_lstm(path: Path) -> LstmModel:
    """Read a weights' file; nothing in it can run.

    Raises
    ------
    ModelError
        The file is missing, damaged or of another format.
    """
    try:
        return _read(bytes_of(path, MOST_BYTES))
    except FileNotFoundError:
        raise ModelError(f"there are no weights at {path}: {MAKE_ONE}") from None
    except OSError as error:
        raise ModelError(f"the weights {path} cannot be read: {error.strerror}") from None
    except Exception as error:
        # a damaged archive raises anything, in more than one line too
        why = shown(str(error) or type(error).__name__)
        raise ModelError(f"{path} holds no weights of this program ({why}): {MAKE_ONE}") from None


def _read(content: bytes) -> LstmModel:
    """The model in a file's bytes; raises whatever is wrong with it."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        if sum(part.file_size for part in parts.infolist()) > MOST_BYTES:
            raise ValueError(f"it unpacks to over {MOST_BYTES:,} bytes")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    if set(found) != {"about", "errors", *Weights._fields}:
        raise ValueError("its parts are not those of this version")
    about = json.loads(str(found.pop("about")))
    if (about["format"], about["window"], about["scales"]) != (FORMAT, WINDOW, list(SCALES)):
        raise ValueError("it is of another version")
    errors = found.pop("errors")
    weights = Weights(**{name: np.ascontiguousarray(array) for name, array in found.items()})
    check_weights(weights, errors)
    return LstmModel(weights, errors, int(about["seed"]), dict(about["versions"]), dict(about["report"]))


def check_weights(weights: Weights, errors: NDArray[np.float64]) -> None:
    """Raise ValueError where shapes, types or numbers are not those of an autoencoder."""
    units, code = weights.encoder_recurrent.shape[0], weights.code_bias.size
    if not (1 <= units <= MOST_UNITS and 1 <= code <= MOST_UNITS):
        raise ValueError(f"it has {units} units and {code} numbers of code, allowed are 1 to {MOST_UNITS}")
    shapes = (
        *((N_INPUTS, 4 * units), (units, 4 * units), (4 * units,), (units, code), (code,)),
        *((code, 4 * units), (units, 4 * units), (4 * units,), (units, 1), (1,)),
    )
    for name, array, shape in zip(Weights._fields, weights, shapes, strict=True):
        if array.dtype != np.float32 or array.shape != shape or not np.isfinite(array).all():
            raise ValueError(f"its {name} is not {shape} finite numbers")
    if errors.dtype != np.float64 or errors.shape != (N_SCALES, 3) or not np.isfinite(errors).all():
        raise ValueError("its errors are not finite numbers by scale")
    if not ((errors[:, 0] > 0.0).all() and (np.diff(errors) > 0.0).all()):
        raise ValueError("its errors do not rise")
