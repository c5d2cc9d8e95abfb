"""Trains the model that options ask for, says how good it is, and saves it."""

from __future__ import annotations

import time
from types import SimpleNamespace

from streamforest.program.complaint import complain
from streamforest.terminal.console import say

#: Detectors that are trained, and the setting that holds the path of each one's model.
MODELS = {"isolation-forest": "MODEL", "lstm-autoencoder": "LSTM_MODEL"}
DONE, FAILED = 0, 1


def train_and_save(options: SimpleNamespace, program: str) -> int:
    """Train what options ask for; returns the exit code.

    Parameters
    ----------
    options : SimpleNamespace
        ``detector``, one of MODELS; ``model``, the path where it is saved; ``train_on``, a file or None; ``seed`` and
        ``alarm_rate``; and those that say how a file is read.
    program : str
        The program's name, for messages.
    """
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
            warm_up.compile_all("stream")  # training needs most of it, and the run that comes next all
            save, report = trained.train(options.seed, options.alarm_rate, own)
    except (SourceError, MissingPackageError) as error:
        complain(program, error)
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
