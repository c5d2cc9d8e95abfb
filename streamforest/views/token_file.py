"""The tokens of the browser's page, kept in files from run to run."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path

from streamforest.small_files import read_small_file

TOKEN = re.compile(r"[A-Za-z0-9_-]{16,200}")


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(32)


def kept_tokens(path: Path, notify: Callable[[str], None]) -> tuple[str, str]:
    """The tokens of visitors who may act, in ``PATH.act``, and of those who may only look, in the file of the path.

    The second one is for other programs, as Prometheus. See :func:`kept_token`.
    """
    return kept_token(path.with_name(f"{path.name}.act"), notify), kept_token(path, notify)


def kept_token(path: Path, notify: Callable[[str], None]) -> str:
    """The token in a file, which is made with a new one where there is none.

    Parameters
    ----------
    path : Path
        A new file can be read by its owner only.
    notify : callable
        Takes a line for people: a warning where any user of this machine can read the file.

    Raises
    ------
    OSError
        The file cannot be read or made, or holds no token; the message is for the user.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path, notify)
    except OSError as error:
        raise OSError(f"no token can be kept in {path}: {error.strerror or error}") from error
    token = new_token()
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"{token}\n")
    return token


def _read(path: Path, notify: Callable[[str], None]) -> str:
    try:
        token = read_small_file(path).decode("ascii", "replace").strip()
        mode = path.stat().st_mode
    except OSError as error:
        raise OSError(f"the token in {path} cannot be read: {error.strerror or error}") from error
    if not TOKEN.fullmatch(token):
        raise OSError(f"{path} holds no token: it must be 16 to 200 letters, digits, - and _; or remove it")
    if os.name == "posix" and mode & 0o004:
        notify(f"warning: every user of this machine can read the token in {path}; run 'chmod 600 {path}'")
    return token
