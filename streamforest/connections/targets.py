"""Addresses that messages go to: taken apart, with secrets from the environment or a file, and shown without them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from streamforest.small_files import read_small_file

#: What stands in an address for a secret: ``{env:NAME}`` or ``{file:PATH}``.
_PLACEHOLDER = re.compile(r"\{(env|file):([^{}]+)\}")
#: Shorter secrets are not looked for in texts: they would hide words of any kind.
LEAST_SECRET = 4
HIDDEN = "***"
#: Settings that are secrets wherever they come from.
SECRET_SETTINGS = ("token", "key")


@dataclass(frozen=True)
class Target:
    """An address in its parts.

    Attributes
    ----------
    kind : str
        What is there, in lower case: the part before ``+`` or ``://``.
    scheme : str
        How it is reached: the part between ``+`` and ``://``, or the kind where there is none.
    host : str
        In lower case; of an IPv6 address without its brackets.
    port : int or None
        None where the address names none.
    path : str
        From the first slash behind the host to ``?`` or the end; it may be empty.
    query : str
        Behind ``?``; it may be empty.
    user, password : str or None
        Before ``@``.
    settings : mapping of str to str
        Behind ``#``, as ``name=value`` with ``&`` between.
    secrets : tuple of str
        What must not be shown.
    """

    kind: str
    scheme: str
    host: str
    port: int | None
    path: str = ""
    query: str = ""
    user: str | None = None
    password: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def name(self) -> str:
        """For people: kind, host and port; a path may be a secret."""
        return f"{self.kind}://{self.place}"

    def url(self, path: str = "") -> str:
        """The address of a page of an HTTP server, below the path of this one."""
        scheme = self.scheme if self.scheme in ("http", "https") else "https"
        base = self.path.rstrip("/") if path else self.path
        return f"{scheme}://{self.place}{base}{path}" + (f"?{self.query}" if self.query and not path else "")

    def check_settings(self, *names: str) -> None:
        """Raise ValueError where a setting is none of these."""
        for name in self.settings:
            if name not in names:
                raise ValueError(f"{name} is no setting of {self.kind}; behind # may stand {', '.join(names)}")

    def hide(self, text: str) -> str:
        """A text without the secrets of the address."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return text


def read_target(word: str, environment: Mapping[str, str] = os.environ) -> Target:
    """Take ``kind[+scheme]://[user[:password]@]host[:port][/path][?query][#name=value&...]`` apart.

    Parameters
    ----------
    word : str
        The address; ``{env:NAME}`` stands for an environment variable, ``{file:PATH}`` for the content of a file.
    environment : mapping
        Environment variables.

    Raises
    ------
    ValueError
        It cannot be taken apart, or a secret is not there; the message holds no secret.
    """
    head, mark, rest = word.partition("://")
    if not mark:
        raise ValueError("an address is KIND://HOST or KIND+SCHEME://HOST")
    address, _, behind = rest.partition("#")
    vault = _Vault(environment)
    try:
        parts = urlsplit(f"//{vault.sealed(address)}")
        port = parts.port
    except SecretError:
        raise
    except ValueError:
        raise ValueError("its port must be a number from 1 to 65535; in a password / is written %2F, @ %40") from None
    if not parts.hostname:
        raise ValueError("there is no host in it")
    settings = {}
    for pair in filter(None, vault.sealed(behind).split("&")):
        name, _, value = pair.partition("=")
        settings[name] = vault.opened(unquote(value))
    user, password = (
        None if part is None else vault.opened(unquote(part)) for part in (parts.username, parts.password)
    )
    hidden = [*vault.secrets, user, password, *map(settings.get, SECRET_SETTINGS)]
    secrets = tuple(dict.fromkeys(secret for secret in hidden if secret and len(secret) >= LEAST_SECRET))
    kind, _, scheme = head.lower().partition("+")
    host, path, query = (
        vault.opened(parts.hostname),
        vault.opened(parts.path, quoted),
        vault.opened(parts.query, quoted),
    )
    return Target(kind, scheme or kind, host, port, path, query, user, password, settings, secrets)


class SecretError(ValueError):
    """A secret is not there; the message names where it should be."""


class _Vault:
    """Secrets that stand in an address, each behind one sign while that is taken apart: they may have any signs."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.secrets: list[str] = []

    def sealed(self, text: str) -> str:
        """The text with a sign of Unicode's private use in place of each secret; such signs of its own are dropped."""
        return _PLACEHOLDER.sub(self._seal, re.sub("[\ue000-\uf8ff]", "", text))

    def opened(self, text: str, way: Callable[[str], str] = str) -> str:
        """The text with the secrets, each changed in a way."""
        return re.sub("[\ue000-\uf8ff]", lambda sign: way(self.secrets[ord(sign[0]) - 0xE000]), text)

    def _seal(self, match: re.Match[str]) -> str:
        self.secrets.append(_secret(match[1], match[2], self._environment))
        return chr(0xE000 + len(self.secrets) - 1)


def _secret(where: str, name: str, environment: Mapping[str, str]) -> str:
    if where == "env":
        found = environment.get(name, "")
        if not found:
            raise SecretError(f"the environment variable {name} is not set")
        return found
    try:
        return read_small_file(Path(name)).decode().strip()
    except (OSError, ValueError) as error:
        raise SecretError(f"the file {name} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def quoted(secret: str) -> str:
    """A secret as it stands in a path or behind ``?``; it may be several parts of a path."""
    return quote(secret, safe="/:&=")


def shown_target(word: str) -> str:
    """An address for people, with nothing in it that may be a secret.

    Examples
    --------
    >>> shown_target("slack+https://me:secret@hooks.example.org/T0/B0/key#token=x")
    'slack+https://hooks.example.org'
    """
    head, mark, rest = word.partition("://")
    return f"{head}{mark}{re.split(r'[/?#]', rest)[0].rpartition('@')[2]}" if mark else HIDDEN
