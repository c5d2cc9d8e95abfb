"""What judges points; one file a detector, one entry in the table."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from streamforest.judging.rules import NO_RULES, Rules

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamforest.models.model_file import Model
    from streamforest.protocols import Detector


class DetectorOptions(NamedTuple):
    """What a user may say about a detector; each detector takes what concerns it.

    Attributes
    ----------
    model : Path
        The trained forest.
    alarm_rate : float
        Wanted share of normal points that are flagged, in [1e-6, 0.2].
    rules : Rules
        What else a point needs to be an alarm.
    seed : int
        Of detectors that draw random numbers while they judge.
    window, refit_every : int
        Points that the sliding forest is fitted on, and between two fits.
    refits : Path or None
        File of which forest judged which point.
    waits : bool
        Whether a point may wait for a forest to be fitted.
    notify : callable
        Takes a line for people.
    lstm_model : Path
        The weights of the LSTM autoencoder.
    holidays : array or None
        Days that are judged as Sundays, see ``features.holidays``.
    """

    model: Path
    alarm_rate: float = 0.001
    rules: Rules = NO_RULES
    seed: int = 1
    window: int = 1000
    refit_every: int = 250
    refits: Path | None = None
    waits: bool = True
    notify: Callable[[str], None] = print
    lstm_model: Path = Path("lstm_autoencoder.npz")
    holidays: NDArray[np.void] | None = None


class Entry(NamedTuple):
    """A detector of the table.

    Attributes
    ----------
    line : str
        What it is, in a line for people.
    cost : str
        Of one point in arrays, as measured, with its unit.
    memory : str
        Of one stream, with its unit.
    make : callable
        Makes a fresh one; its module is imported only then.
    packages : tuple of str
        What must be installed beside requirements.txt, by the names that pip knows.
    """

    line: str
    cost: str
    memory: str
    make: Callable[[DetectorOptions], Detector]
    packages: tuple[str, ...] = ()


def _isolation_forest(options: DetectorOptions) -> Detector:
    from streamforest.detectors.isolation_forest import StreamDetector  # noqa: PLC0415 - only the chosen one

    model = _model_at(options.model, _stamp_of(options.model))
    return StreamDetector(model, options.alarm_rate, options.rules, options.holidays)


def _stamp_of(path: Path) -> tuple[int, ...]:
    """What tells a file from the one that was there before; empty where there is none."""
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return ()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


@lru_cache(maxsize=1)
def _model_at(path: Path, _stamp: tuple[int, ...]) -> Model:
    """The model at a path, read and checked once: a detector with other settings is made of it within a millisecond."""
    from streamforest.models.model_file import load_model  # noqa: PLC0415 - only the chosen one

    return load_model(path)


def _sliding_forest(options: DetectorOptions) -> Detector:
    from streamforest.detectors.sliding_forest import SlidingForestDetector  # noqa: PLC0415

    return SlidingForestDetector(
        *(options.alarm_rate, options.rules, options.window, options.refit_every, options.seed),
        waits=options.waits,
        refits=options.refits,
        notify=options.notify,
    )


def _lstm_autoencoder(options: DetectorOptions) -> Detector:
    from streamforest.detectors.lstm_autoencoder import LstmAutoencoderDetector  # noqa: PLC0415

    return LstmAutoencoderDetector.load(options.lstm_model, options.alarm_rate, options.rules)


def _half_space_trees(options: DetectorOptions) -> Detector:
    from streamforest.detectors.half_space_trees import HalfSpaceTreesDetector  # noqa: PLC0415

    return HalfSpaceTreesDetector(options.seed, options.alarm_rate, options.rules)


def _random_cut_forest(options: DetectorOptions) -> Detector:
    from streamforest.detectors.random_cut_forest import RandomCutForestDetector  # noqa: PLC0415

    return RandomCutForestDetector(options.seed, options.alarm_rate, options.rules)


def _matrix_profile(options: DetectorOptions) -> Detector:
    from streamforest.detectors.matrix_profile import MatrixProfileDetector  # noqa: PLC0415

    return MatrixProfileDetector(options.alarm_rate, options.rules)


def _z_score(options: DetectorOptions) -> Detector:
    from streamforest.detectors.z_score import ZScoreDetector  # noqa: PLC0415

    return ZScoreDetector(options.alarm_rate, options.rules)


#: Name on the command line -> the detector.
DETECTORS = {
    "isolation-forest": Entry(
        "a pre-trained forest that sees surprise, shape and novelty in any stream",
        "2.5 us",
        "24 KB",
        _isolation_forest,
    ),
    "sliding-forest": Entry(
        "a forest fitted again and again on the newest points; no model", "200 us", "0.3 MB", _sliding_forest
    ),
    "lstm-autoencoder": Entry(
        "distance from what a trained LSTM autoencoder reconstructs, at three scales",
        "25 us",
        "25 KB",
        _lstm_autoencoder,
    ),
    "half-space-trees": Entry(
        "river's half-space trees on the same surprises; no model",
        "90 us",
        "3 MB",
        _half_space_trees,
        ("river",),
    ),
    "random-cut-forest": Entry(
        "krcf's random cut forest on the same surprises and the values; no model",
        "80 us",
        "0.3 MB",
        _random_cut_forest,
        ("krcf",),
    ),
    "matrix-profile": Entry(
        "the last points against their nearest likeness in 2,000 before; no model",
        "8 us",
        "56 KB",
        _matrix_profile,
    ),
    "z-score": Entry(
        "distance from a moving level in moving standard deviations; no model", "0.1 us", "0.2 KB", _z_score
    ),
}


def make_detector(name: str, options: DetectorOptions) -> Detector:
    """A fresh detector by its name in DETECTORS.

    Raises
    ------
    DetectorError
        A file that it needs cannot be used: its model, for one.
    MissingPackageError
        It needs a package that is not installed.
    """
    return DETECTORS[name].make(options)
