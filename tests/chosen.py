"""Options as a command line chooses them, and the run that they make."""

from contextlib import contextmanager
from pathlib import Path

import settings
from streamforest.program.description import Command
from streamforest.program.options import read_options
from streamforest.program.run import make_run
from streamforest.terminal.stop import StopFlag

PROJECT = Path(settings.__file__).parent


def options_of(*arguments):
    """The options of main.py, by its settings where nothing is said."""
    return read_options(arguments, vars(settings), PROJECT, program="main.py", description="")


@contextmanager
def run_of(*arguments, on_anomaly=()):
    """A run of the z-score, ready to judge."""
    words = ("--detector", "z-score", *arguments)
    stop = StopFlag()
    made = make_run(Command("main.py", words, options_of(*words), on_anomaly), stop)
    yield made
    made.source.close()
    stop.close()
