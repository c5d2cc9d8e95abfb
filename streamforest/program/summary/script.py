"""The chart of the live page as one script and one style, for a page that is a single file."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

from streamforest.views.page_server import FOLDER, PARTS

ENTRY = Path(__file__).with_name("summary.js")
STYLES = ("uplot/uPlot.min.css", "chart.css")
COLOURS = ("colours.css", "dark.css")

_IMPORT = re.compile(r'^import (?:\* as (?P<all>\w+)|\{(?P<some>[^}]+)\}) from "\./(?P<module>\w+)\.js";$', re.M)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|class|function) (?P<name>\w+))", re.M)


def style() -> str:
    """How the chart and what stands around it look."""
    return "\n".join(_text(FOLDER / name) for name in STYLES)


def parts() -> dict[str, str]:
    """The pieces of the page that the live page has too, by their names."""
    return {name: _text(FOLDER / f"{name}.html") for name in PARTS}


def colours() -> tuple[str, str]:
    """The light colours, and the dark ones to put in their place."""
    light, dark = (_text(FOLDER / name) for name in COLOURS)
    return light, dark


@cache
def script() -> str:
    """What draws the chart: uPlot, behind its licence, and the modules that ``summary.js`` imports.

    A page that is opened from disk may import no module: each becomes a function, called once, that returns what it
    exports, with those that it imports before it.
    """
    licence = _text(FOLDER / "uplot" / "LICENSE").strip()
    modules: dict[str, str] = {}
    entry = _body(_text(ENTRY), modules)
    parts = [f"/* uPlot:\n{licence}\n*/", _text(FOLDER / "uplot" / "uPlot.iife.min.js").strip(), '"use strict";']
    parts += [f"const module_{name} = (() => {{\n{body}\n}})();" for name, body in modules.items()]
    return "\n".join([*parts, f"(() => {{\n{entry}\n}})();"])


def digest_of(text: str) -> str:
    """What a content security policy calls an inline script by, so that no other one runs."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _body(text: str, modules: dict[str, str]) -> str:
    """A module without its imports and exports; those that it imports are put into ``modules`` first."""

    def bound(found: re.Match[str]) -> str:
        name = found["module"]
        if name not in modules:
            body = _text(FOLDER / f"{name}.js")
            exports = ", ".join(one["name"] for one in _EXPORT.finditer(body))
            modules[name] = f"{_body(body, modules)}\nreturn {{ {exports} }};"
        names = found["all"] or f"{{{found['some'].replace(' as ', ': ')}}}"
        return f"const {names} = module_{name};"

    return _EXPORT.sub("", _IMPORT.sub(bound, text))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
