"""The command that trains a model: its options, what it says, and where the model is saved."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

from streamforest.program.cli import missing, no_settings, settings_of
from streamforest.program.conflicts import check_training
from streamforest.program.options import JUDGED, OPTIONS, Option, OptionError, read_options
from streamforest.terminal.console import say

TRAIN_ON = Option(
    "TRAIN_ON",
    "path",
    JUDGED,
    "file to train on, in place of simulated streams; its labelled anomalies are left out",
    is_optional=True,
    placeholder="FILE",
)
#: Detectors that are trained, and the setting that holds the path of each one's model.
MODELS = {"isolation-forest": "MODEL", "lstm-autoencoder": "LSTM_MODEL"}
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
DONE, FAILED, WRONG_USE = 0, 1, 2


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
        say(f"{program}: {error}")
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


def train_and_save(options: SimpleNamespace, program: str) -> int:
    """Train what the options ask for; returns the exit code."""
    # numpy and scikit-learn: after the command line was found to be right
    from streamforest.compiled import telling_of_compiling  # noqa: PLC0415
    from streamforest.optional import MissingPackageError  # noqa: PLC0415
    from streamforest.program import training, warm_up  # noqa: PLC0415
    from streamforest.protocols import SourceError  # noqa: PLC0415

    trained, file = training.TRAINED[options.detector], options.train_on
    started = time.monotonic()
    try:
        own = None if file is None else training.read_own(file, options)
        with telling_of_compiling(say):
            warm_up.compile_all()  # training needs most of it, and the run that comes next all
            save, report = trained.train(options.seed, options.alarm_rate, own)
    except (SourceError, MissingPackageError) as error:
        say(f"{program}: {error}")
        return FAILED
    seconds = time.monotonic() - started
    print(training.describe(report, seconds, options.alarm_rate, file.name if file else "", trained.what))
    try:
        save(options.model)
    except OSError as error:
        say(f"the model cannot be saved at {options.model}: {error.strerror}")
        return FAILED
    print(f"saved {options.model}")
    return DONE


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
