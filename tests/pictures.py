"""A stream with spikes, as the live view shows it, and what its pictures hold."""

import numpy as np
from matplotlib.colors import to_rgb

from streamforest.figures.stream_figure import StreamFigure
from streamforest.figures.themes import THEMES
from streamforest.protocols import UNLABELLED, VERDICT_DTYPE, Status
from streamforest.verdicts.history import History, Marks

SPIKES = (150, 260, 333, 410)


def stream(n, start=0, times=True, labels=True):
    """A seasonal stream with noise, spikes and missing readings."""
    rng = np.random.default_rng(7)
    index = np.arange(start + n)
    expected = 20 + 6 * np.sin(2 * np.pi * index / 120)
    rows = np.zeros(start + n, VERDICT_DTYPE)
    rows["index"] = index
    rows["time"] = 1.4e9 + 1800.0 * index if times else np.nan
    rows["value"] = expected + rng.normal(0, 0.8, len(index))
    rows["label"] = 0 if labels else UNLABELLED
    rows["score"], rows["threshold"], rows["p_value"] = 0.4 + 0.1 * rng.random(len(index)), 0.66, 0.5
    rows["expected"], rows["lower"], rows["upper"] = expected, expected - 2.5, expected + 2.5
    spikes = index[(index % 500 == 150) | np.isin(index, SPIKES)]
    rows["value"][spikes] += 9
    rows["score"][spikes], rows["p_value"][spikes], rows["is_anomaly"][spikes] = 0.8, 1e-4, True
    rows["episode"][spikes] = np.arange(1, len(spikes) + 1)
    rows["reason"][spikes] = 1
    if labels:
        rows["label"][spikes] = 2
    rows["value"][200:206] = np.nan
    for name in ("score", "threshold", "p_value"):
        rows[name][:30] = np.nan
    return rows[start:]


def status(**changes):
    known = Status("pump.csv", "forest", ("forest",), 470, 0, 6, 4, 4, 10.0, 0.001, 0.0012, 0.92, 0.88, 1.0)
    return known._replace(**changes)


def shown(rows, now=None, capacity=50_000, clock=lambda: 0.0, marks=None, **options):
    history = History(capacity)
    history.marks = marks
    if len(rows):
        history.write(rows)
    view = StreamFigure(history, now or status, clock=clock, **options)
    view.refresh()
    return history, view


def pixels(view):
    return np.asarray(view.figure.canvas.buffer_rgba())[..., :3].copy()


def near_colour(image, colour, tolerance=12):
    return (np.abs(image.astype(int) - np.round(255 * np.array(to_rgb(colour)))) <= tolerance).all(axis=-1)


def place_of(view, index, value, axes=None):
    """Row and column of the pixel of a point."""
    x, y = (axes or view.stream.axes).transData.transform((index, value))
    return round(view.figure.bbox.height - y), round(x)


def marked(view, index, value, axes=None):
    row, column = place_of(view, index, value, axes)
    around = pixels(view)[row - 3 : row + 4, column - 3 : column + 4]
    return near_colour(around, THEMES[view.theme].anomaly).sum() >= 5


def widen_to(view, span):
    view.navigation.choose_span(span)
    view.refresh()


AGREEMENT = (("z-score", 3, 4), ("sliding-forest", 4, 4))


def marks_at(*places, n=5_000):
    """Marks of two detectors, the first flags these places, the second none."""
    marks, flags = Marks(n, ("z-score", "sliding-forest")), np.zeros((2, n), bool)
    flags[0, list(places)] = True
    marks.write(0, flags)
    return marks


def ahead_of(history, steps):
    """What is expected of the next points: 20, in a band that widens."""
    rows = np.zeros(steps, VERDICT_DTYPE)
    rows["index"] = history.end + np.arange(steps)
    rows["value"] = np.nan
    rows["expected"], width = 20.0, 2.5 + 0.02 * np.arange(steps)
    rows["lower"], rows["upper"] = 20.0 - width, 20.0 + width
    return rows
