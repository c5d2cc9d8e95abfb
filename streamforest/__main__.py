"""``python -m streamforest`` and the command ``streamforest``: watch a stream, or train a model."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from streamforest.terminal.signals import end_at_once, on_stop_signals


def command() -> None:
    """Do what the command line asks for and end the program."""
    words = sys.argv[1:]
    if words[:1] == ["train"]:
        from streamforest.program import train_command  # noqa: PLC0415 - numpy and more, for training only

        train_command.end(train, words[1:])
    on_stop_signals(end_at_once)  # before all imports that take time
    from streamforest.program import cli  # noqa: PLC0415 - the handlers come first

    cli.end(watch, words)


def watch(arguments: Sequence[str]) -> int:
    """What ``python main.py`` does, with the built-in settings and paths relative to the user's folder."""
    from streamforest.program import cli  # noqa: PLC0415 - see command

    return cli.main(arguments, "streamforest")


def train(arguments: Sequence[str]) -> int:
    """What ``python model_prod.py`` does, in the same way."""
    from streamforest.program import train_command  # noqa: PLC0415 - see command

    return train_command.main(arguments, "streamforest train")


if __name__ == "__main__":
    command()
