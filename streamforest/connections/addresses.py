"""Addresses of servers: taken apart, and shown without their passwords."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from streamforest.protocols import SourceError

#: Environment variables that a user and a password come from where the address has none.
USER, PASSWORD = "STREAMFOREST_USER", "STREAMFOREST_PASSWORD"

HIDDEN = "***"
#: User and password in an address (many a user's name is a key), and what is as good as one behind its question mark.
_PASSWORD = re.compile(r"(?P<kept>//)[^/?#]*(?=@)")
_SECRET = re.compile(
    r"(?P<kept>[?&;](?:[\w-]*(?:token|key|secret|passw(?:or)?d|pwd|signature)|auth|sig)=)[^&;#\s]+", re.IGNORECASE
)


class Address(NamedTuple):
    """An address in its parts.

    Attributes
    ----------
    scheme, host : str
        In lower case; the host of an IPv6 address without its brackets.
    port : int
        From 1 to 65535.
    rest : str
        What follows the first slash behind the host, as it was written.
    user, password : str or None
        From the address, else from the environment.
    """

    scheme: str
    host: str
    port: int
    rest: str
    user: str | None
    password: str | None

    @property
    def place(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(word: str, port: int, environment: Mapping[str, str] = os.environ) -> Address:
    """Take ``scheme://[user[:password]@]host[:port]/rest`` apart.

    Parameters
    ----------
    word : str
        The address.
    port : int
        Where it names none.
    environment : mapping
        Environment variables.

    Raises
    ------
    SourceError
        It has no host or no valid port. The message shows none of its parts: one of them may be a password.
    """
    scheme, _, behind = word.partition("://")
    authority, _, rest = behind.partition("/")
    try:
        parts = urlsplit(f"//{authority}")
        found = port if parts.port is None else parts.port
    except ValueError:
        found = 0
    if not found:
        raise SourceError(
            f"{scheme}: the port must be a number from 1 to 65535; in a user or password / is written %2F, @ %40, "
            f": %3A and # %23, or set the environment variables {USER} and {PASSWORD}"
        )
    if not parts.hostname:
        raise SourceError(f"{scheme}: there is no host in the address; write {scheme}://HOST/...")
    user, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
    return Address(
        scheme.lower(),
        parts.hostname,
        found,
        rest,
        environment.get(USER) if user is None else user,
        environment.get(PASSWORD) if password is None else password,
    )


def without_passwords(text: str) -> str:
    """A text with what must not be shown in its addresses left out: users, passwords, tokens.

    Examples
    --------
    >>> without_passwords("mqtt://me:secret@broker/pump?token=abc&qos=1")
    'mqtt://***@broker/pump?token=***&qos=1'
    """
    for pattern in (_PASSWORD, _SECRET):
        text = pattern.sub(rf"\g<kept>{HIDDEN}", text)
    return text
