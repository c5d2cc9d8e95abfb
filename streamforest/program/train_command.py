"""The command that trains a model: its options, what it says, and where the model is saved."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

from streamforest.program.cli import missing, no_settings, settings_of
from streamforest.program.complaint import complain
from streamforest.program.conflicts import check_training
from streamforest.program.options import JUDGED, OPTIONS, Option, OptionError, read_options
from streamforest.program.train import FAILED, MODELS, train_and_save
from streamforest.terminal.console import say

TRAIN_ON = Option(
    "TRAIN_ON",
    "path",
    JUDGED,
    "file to train on, in place of simulated streams; its labelled anomalies are left out",
    is_optional=True,
    placeholder="FILE",
)
DEFAULTS = {option.name: option.default for option in OPTIONS}
#: Settings that the command line has, and their names there.
FLAGS = {
    "COLUMN": "--column",
    "TIME_COLUMN": "--time-column",
    "LABEL_COLUMN": "--label-column",
    "SEED": "--seed",
    "DETECTOR": "--detector",
    "MODEL": "--output",
    TRAIN_ON.name: TRAIN_ON.flag,
}
WRONG_USE = 2


def main(
    arguments: Sequence[str],
    program: str,
    load_settings: Callable[[], Mapping[str, object]] = no_settings,
    folder: Path = Path(),
) -> int:
    """Train, report, save; returns the exit code. The parameters are those of :func:`streamforest.program.cli.main`."""
    try:
        options = read_command(arguments, program, settings_of(load_settings), folder)
        check_training(options)
    except OptionError as error:
        complain(program, error)
        return WRONG_USE
    try:
        return train_and_save(options, program)
    except ModuleNotFoundError as error:
        say(missing(program, error))
        return FAILED


def end(main: Callable[[Sequence[str]], int], arguments: Sequence[str] | None = None) -> NoReturn:
    """Train as a command line says, and end the program with the exit code."""
    try:
        sys.exit(main(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        say("\nstopped: nothing was saved")
        sys.exit(FAILED)


def read_command(arguments: Sequence[str], program: str, values: Mapping[str, object], folder: Path) -> SimpleNamespace:
    """What is asked for; ``model`` is the path of the chosen detector's model. Raises OptionError."""
    values = dict(values)
    if values.get("DETECTOR") not in MODELS:
        values["DETECTOR"] = "isolation-forest"  # one that needs no model may be what is used
    read = partial(
        read_options,
        arguments,
        folder=folder,
        program=program,
        description="Train a detector's model on simulated streams or on your own, check it and save it.",
        flags=FLAGS,
        table=(*OPTIONS, TRAIN_ON),
    )
    options = read(values)
    if options.detector not in MODELS:
        raise OptionError(f"--detector is '{options.detector}', which has no model; those are {', '.join(MODELS)}")
    setting = MODELS[options.detector]
    return read({**values, "MODEL": values.get(setting, DEFAULTS[setting])})
