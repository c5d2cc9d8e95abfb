"""Options that do not go together."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

from streamforest.options import OptionError, names_file


def check_conflicts(options: SimpleNamespace) -> None:
    """Refuse options that do not go together.

    Raises
    ------
    OptionError
        Some do not; the message names them.
    """
    check_follow(options)
    check_keys(options)
    check_paths(options)


def check_follow(options: SimpleNamespace) -> None:
    """Refuse to follow what is no file.

    Raises
    ------
    OptionError
        It is asked for, and the source is another one.
    """
    if options.follow and not names_file(options.source):
        raise OptionError(f"--follow is for files, and SOURCE is {options.source!r}: leave it away, or say --no-follow")


def check_keys(options: SimpleNamespace) -> None:
    """Refuse what does not go together with many streams side by side.

    Raises
    ------
    OptionError
        Something does not.
    """
    if options.key_column is None:
        if options.drop_after is not None:
            raise OptionError(
                f"DROP_AFTER is {options.drop_after:g}: it is for many streams, so give --key-column too, or none"
            )
        return
    kind = options.source.partition(":")[0]
    faults = {
        f"SOURCE is {options.source!r}, which has no columns: name a file, -, mqtt:, kafka: or prometheus:": (
            not names_file(options.source) and kind not in {"-", "mqtt", "mqtts", "kafka", "prometheus"}
        ),
        f"DETECTOR is {options.detector!r}: many streams are judged by isolation-forest": (
            options.detector not in {"isolation-forest", "list"}
        ),
        f"COMPARE is {options.compare!r}: several detectors are compared on one stream": options.compare is not None,
        "SNAPSHOT_ON_ANOMALY is on: that is for one stream, say --no-snapshot-on-anomaly": options.snapshot_on_anomaly,
    }
    for fault, is_there in faults.items():
        if is_there:
            raise OptionError(f"--key-column {options.key_column}: {fault}")


def check_paths(options: SimpleNamespace) -> None:
    """Keep the run from writing over what it reads, or two outputs from sharing a file.

    Raises
    ------
    OptionError
        Two paths are of one file.
    """
    taken = {"SOURCE": Path(options.source)} if names_file(options.source) else {}
    taken |= {"MODEL": options.model, "LSTM_MODEL": options.lstm_model}
    for name in ("LOG", "REPORT", "SUMMARY", "TOKEN_FILE", "CHECKPOINT"):
        path = getattr(options, name.lower())
        for other, file in taken.items():
            if path is not None and is_same_file(path, file):
                raise OptionError(f"{name} is {str(path)!r}: that is the file of {other}, choose another one")
        if path is not None:
            taken[name] = path


def is_same_file(path: Path, other: Path) -> bool:
    """Whether two paths lead to one file; files that are not there yet are told apart by their paths."""
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return os.path.abspath(path) == os.path.abspath(other)  # noqa: PTH100 - resolve() may fail where this does not
