"""Start here: the command line and settings.py become a run; exit code 0 (done), 1 (failed) or 2 (wrong use)."""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - older ones fail at the imports below, in words that help nobody
    sys.exit("main.py needs Python 3.11 or newer, this is %d.%d" % sys.version_info[:2])  # noqa: UP031

from pathlib import Path
from typing import TYPE_CHECKING

from streamforest.terminal.signals import end_at_once, on_stop_signals

if __name__ == "__main__":
    on_stop_signals(end_at_once)  # before all imports that take time

from collections.abc import Mapping, Sequence

from streamforest.program import cli

if TYPE_CHECKING:
    from streamforest.program.loop import Loop

FOLDER = Path(__file__).resolve().parent


def main(arguments: Sequence[str]) -> int:
    """Run the program; returns its exit code.

    The command line is read and checked, the parts are made (source, detector, sinks, view), and
    :func:`anomaly.anomaly_dect` judges point by point until the run ends; then the run is summed up.

    Parameters
    ----------
    arguments : sequence of str
        The command line without the program's name.
    """
    return cli.main(arguments, "main.py", load_settings, FOLDER, judge)


def load_settings() -> Mapping[str, object]:
    """What settings.py defines; the command line overrides it."""
    import settings  # noqa: PLC0415 - what a user wrote there may be wrong, which `cli.main` says in one line

    return vars(settings)


def judge(loop: Loop) -> None:
    """Hand the loop to anomaly.py."""
    from anomaly import anomaly_dect  # noqa: PLC0415 - numpy and more: after the command line was found to be right

    anomaly_dect(loop)


if __name__ == "__main__":
    cli.end(main)
