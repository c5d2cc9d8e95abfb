"""Options as a command line chooses them."""

from pathlib import Path

import settings
from streamforest.options import read_options

PROJECT = Path(settings.__file__).parent


def options_of(*arguments):
    """The options of main.py, by its settings where nothing is said."""
    return read_options(arguments, vars(settings), PROJECT, program="main.py", description="")
