"""How a run was made, for those who read of it later: its command and settings, without passwords, and versions."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping, Sequence

import numpy as np

import streamforest
from streamforest.connections.addresses import HIDDEN, without_passwords
from streamforest.connections.targets import shown_target

#: Options whose value may hold secrets anywhere, and which a repeated run had better not have.
COMMANDS = ("on_anomaly",)
#: Options whose values are addresses that are secrets themselves.
ADDRESSES = ("tell",)


def repeating(program: str, arguments: Sequence[str]) -> str:
    """The command line that repeats a run, quoted for a shell; what it ran or told is left out."""
    flags = tuple("--" + name.replace("_", "-") for name in (*COMMANDS, *ADDRESSES))
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        if word in flags:
            next(words, None)
        elif not word.startswith(tuple(f"{flag}=" for flag in flags)):
            kept.append(without_passwords(word))
    return " ".join([program, shlex.join(kept)]).rstrip()


def shown_settings(settings: Mapping[str, object]) -> dict[str, str]:
    """All settings as text, in order of their names; of a command only the program, of an address only the host."""
    shown = {}
    for name, value in sorted(settings.items()):
        text = without_passwords(str(value))
        if name in COMMANDS and value is not None:
            program, *rest = text.split(maxsplit=1)
            text = f"{program} {HIDDEN}" if rest else program
        elif name in ADDRESSES and isinstance(value, tuple):
            text = ", ".join(map(shown_target, value))
        shown[name.upper()] = text
    return shown


def versions() -> str:
    """Of what a run is made with."""
    return f"streamforest {streamforest.__version__}, Python {platform.python_version()}, numpy {np.__version__}"
