"""A picture of the live view as a PNG file: never overwritten, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from streamforest.figures.live_figure import LiveFigure
from streamforest.storage.safe_files import publish


def save_snapshot(figure: Figure | LiveFigure[Any], folder: Path, now: datetime, metadata: Mapping[str, str]) -> Path:
    """Save a picture as ``anomaly_graph_YYYY-MM-DD-HH-MM-SS.png``, with -2, -3 ... where the name is taken.

    Parameters
    ----------
    figure : Figure or LiveFigure
        That of the live view is drawn anew off screen, as it stands, and its canvas is not touched. A bare Figure
        must not be shown in a window.
    folder : Path
        Made where it does not exist.
    now : datetime
        Names the file.
    metadata : mapping of str to str
        Goes into the PNG's text chunks, beside the range of points of the live view.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    OSError
        The picture cannot be written; the message is for the user, and nothing is left behind.
    """
    texts = dict(metadata)
    if not isinstance(figure, Figure):
        picture = figure.picture()
        first, last = picture.visible
        texts.setdefault("Range of points", f"{first} to {last}" if first <= last else "none")
        figure = picture.figure
    try:
        return _write(figure, folder, now, texts)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(f"cannot save a picture in {folder}: {reason}; free some space or check the folder") from error


def _write(figure: Figure, folder: Path, now: datetime, texts: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    # On disk under a hidden name first: no reader ever sees half a picture under the final name.
    handle, name = tempfile.mkstemp(prefix=".anomaly_graph_", suffix=".tmp", dir=folder)
    hidden = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            figure.savefig(file, format="png", dpi="figure", facecolor=figure.get_facecolor(), metadata=texts)
            file.flush()
            os.fsync(file.fileno())
        _make_readable(hidden)
        return publish(hidden, folder / f"anomaly_graph_{now:%Y-%m-%d-%H-%M-%S}.png")
    finally:
        hidden.unlink(missing_ok=True)


def _make_readable(file: Path) -> None:
    """Give a temporary file, private when it is made, the rights of any new file."""
    umask = os.umask(0)
    os.umask(umask)
    file.chmod(0o666 & ~umask)
