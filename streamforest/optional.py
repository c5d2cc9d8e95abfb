"""Packages that only some sources and detectors need: imported where they are used, named where they are missing."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any


class MissingPackageError(Exception):
    """An optional package is not installed; the message says which and how to install it."""


def optional(module: str, group: str) -> Any:
    """An optional module, imported now.

    Parameters
    ----------
    module : str
        Its full name.
    group : str
        What needs it: the name of a file below ``requirements``, without its ending.

    Raises
    ------
    MissingPackageError
        It is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # it is there, and lacks something itself
        missing = package if package == group else f"{group} needs {package}, which"
        raise MissingPackageError(f"{missing} is not installed; run '{command_for(group)}'") from None


def command_for(group: str) -> str:
    """The command that installs what a part needs, in the project's folder or where the package is installed."""
    if (Path(__file__).parents[1] / "pyproject.toml").is_file():
        return f"python -m pip install -r streamforest/requirements/{group}.txt"
    return f'python -m pip install "streamforest[{group}]"'
