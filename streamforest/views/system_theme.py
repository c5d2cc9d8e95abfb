"""Whether the user's system wants dark colours: the desktop is asked, else the terminal's variable says so."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

PATIENCE = 2.0  # seconds for a desktop's answer
#: Programs that can ask a desktop portal, one of which most desktops have, and the question for each.
PORTAL = ("org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop", "org.freedesktop.portal.Settings")
WISH = ("org.freedesktop.appearance", "color-scheme")
QUESTIONS: Mapping[str, Sequence[Sequence[str]]] = {
    "linux": (
        ("gdbus", "call", "--session", "-d", PORTAL[0], "-o", PORTAL[1], "-m", f"{PORTAL[2]}.Read", *WISH),
        ("busctl", "--user", "call", *PORTAL, "Read", "ss", *WISH),
        ("gsettings", "get", "org.gnome.desktop.interface", "color-scheme"),
    ),
    "darwin": (("defaults", "read", "-g", "AppleInterfaceStyle"),),
    "win32": (
        (
            *("reg", "query", r"HKCU\Software\Microsoft\Windows\CurrentVersion\Themes\Personalize"),
            *("/v", "AppsUseLightTheme"),
        ),
    ),
}
#: Ends of the answers that mean dark (the portal's 1, GNOME's name, macOS's, Windows' "no light theme") and light.
DARK, LIGHT = ("uint32 1>>,)", "u 1", "'prefer-dark'", "Dark", "0x0"), ("uint32 2>>,)", "u 2", "'prefer-light'", "0x1")


def system_theme(
    environment: Mapping[str, str],
    platform: str = sys.platform,
    ask: Callable[[Sequence[str]], str] | None = None,
) -> str:
    """The colours that the user's system wants.

    Parameters
    ----------
    environment : mapping
        Environment variables.
    platform : str
        As ``sys.platform``.
    ask : callable, optional
        Words of a command -> what it prints, without white space at its ends; empty where it fails.

    Returns
    -------
    str
        "light" or "dark"; "light" where nothing says what is wanted.
    """
    for question in QUESTIONS.get(platform, ()):
        answer = (ask or _answer)(question)
        if answer.endswith(DARK):
            return "dark"
        if answer.endswith(LIGHT):
            return "light"
    if environment.get("GTK_THEME", "").lower().endswith("dark"):
        return "dark"
    background = environment.get("COLORFGBG", "").rpartition(";")[2]
    return "dark" if background.isdecimal() and int(background) not in (7, 15) else "light"


def _answer(question: Sequence[str]) -> str:
    program = shutil.which(question[0])
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, *question[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace").strip()
