"""The production model: simulate many streams or read the user's own, fit, check and save a model; runnable."""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - older ones fail at the imports below, in words that help nobody
    sys.exit("model_prod.py needs Python 3.11 or newer, this is %d.%d" % sys.version_info[:2])  # noqa: UP031

from collections.abc import Mapping, Sequence
from pathlib import Path

from streamforest.program import train_command

FOLDER = Path(__file__).resolve().parent


def main(arguments: Sequence[str]) -> int:
    """Train, report, save; returns the exit code.

    Streams are simulated (or the user's own is read), a detector is fitted on their features, its scores are
    calibrated on streams without anomalies, it is checked on streams that it never saw, and the model is saved: see
    ``streamforest/program/training.py``.

    Parameters
    ----------
    arguments : sequence of str
        The command line without the program's name.
    """
    return train_command.main(arguments, "model_prod.py", load_settings, FOLDER)


def load_settings() -> Mapping[str, object]:
    """What settings.py defines; the command line overrides it."""
    import settings  # noqa: PLC0415 - what a user wrote there may be wrong, which is said in one line

    return vars(settings)


if __name__ == "__main__":
    train_command.end(main)
