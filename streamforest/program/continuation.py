"""How a run goes on from its checkpoint, if it is the same run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from streamforest.connections.addresses import without_passwords
from streamforest.program.options import names_file
from streamforest.storage.checkpoint import CheckpointFile
from streamforest.storage.resumption import Resumption
from streamforest.terminal.console import say

if TYPE_CHECKING:
    from streamforest.program.description import Run
    from streamforest.protocols import Sink

#: Settings that decide what is judged and how, beside source, detector and model.
DECIDING = (
    *("COLUMN", "TIME_COLUMN", "LABEL_COLUMN", "KEY_COLUMN", "DROP_AFTER", "FOLLOW", "OUTLIER_PROBABILITY", "SEED"),
    *("TIME_FORMAT", "TIME_ZONE", "DECIMAL", "COUNTER", "WINDOW", "REFIT_EVERY", "HOLIDAYS"),
    *(
        "ALARM_RATE",
        "ALARMS_A_DAY",
        "DIRECTION",
        "MINIMUM_DEVIATION",
        "MINIMUM_DEVIATION_PERCENT",
        "COOL_DOWN",
        "IGNORE",
    ),
)


def make_resumption(options: SimpleNamespace) -> Resumption | None:
    """What keeps the run, if that is asked for; it goes on from what was kept before.

    Raises
    ------
    CheckpointError
        Another run uses the checkpoint, it cannot be used, or it is one of another run.
    """
    if options.checkpoint is None:
        return None
    return Resumption(CheckpointFile(options.checkpoint), fingerprint_of(options), options.checkpoint_every, say)


def fingerprint_of(options: SimpleNamespace) -> dict[str, str]:
    """What decides the results of a run: a checkpoint of another one is of no use to it."""
    is_file = names_file(options.source)
    source = os.path.abspath(options.source) if is_file else without_passwords(options.source)  # noqa: PTH100 - as in conflicts
    names = options.compare or (options.detector,)
    models = {"isolation-forest": ("MODEL", options.model), "lstm-autoencoder": ("LSTM_MODEL", options.lstm_model)}
    digests = {models[name][0]: digest_of(models[name][1]) for name in names if name in models}
    return {
        "SOURCE": source,
        "DETECTOR": ",".join(names),
        **{name: str(getattr(options, name.lower())) for name in DECIDING},
        **digests,
        **{word: digest_of(Path(word)) for word in options.ignore or () if word.lower().endswith(".ics")},
    }


def digest_of(path: Path) -> str:
    """A checksum of a file's content; empty if it cannot be read, which is reported when it is loaded."""
    try:
        with path.open("rb") as file:
            return f"a file with SHA-256 {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
    except OSError:
        return ""


def resume(run: Run, sinks: Sequence[Sink]) -> None:
    """Let all parts of a run go on from where they were kept, if they were; from now on they are.

    Raises
    ------
    CheckpointError
        What was kept does not fit.
    """
    resumption = run.resumption
    if resumption is None:
        return
    for name, part in run.judge.parts().items():
        resumption.add(name, part)
    resumption.add("counts", run.counts)
    for sink in sinks:
        resumption.add_sink(sink)
    if resumption.is_resumed:
        say(f"going on from the checkpoint {resumption.path} at point {run.counts.points:,}")
