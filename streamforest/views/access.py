"""How visitors reach the page for the browser, and how many."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

MOST_VISITORS = 64  # connections at once


class PageAccess(NamedTuple):
    """How visitors reach the page, and how many.

    Attributes
    ----------
    port : int
        0 picks a free one.
    public : bool
        Serve other machines too, not only this one; warns.
    most_visitors : int
        Connections at once.
    base_url : str
        Address of the page as others reach it, if a proxy stands before it; else empty.
    tls : (Path, Path or None), optional
        Files of a certificate and its key: the page is served by https.
    token_file : Path, optional
        Keeps the tokens from run to run, see :func:`~streamforest.views.token_file.kept_tokens`; new ones without it.
    is_private : bool
        Whether only people see what the page reports: if that goes into a file, tokens are left out.
    """

    port: int = 0
    public: bool = False
    most_visitors: int = MOST_VISITORS
    base_url: str = ""
    tls: tuple[Path, Path | None] | None = None
    token_file: Path | None = None
    is_private: bool = True
