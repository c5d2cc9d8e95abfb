"""Writes the parts of the pages that are made from the code: options, detectors, rooms, files, Python API; runnable."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [] if str(PROJECT) in sys.path else [str(PROJECT)]

import settings  # noqa: E402 - the project's folder comes first
import streamforest  # noqa: E402
from streamforest.detectors import DETECTORS  # noqa: E402
from streamforest.judging.rules import NO_RULES  # noqa: E402
from streamforest.program.options import OPTIONS, Option  # noqa: E402
from streamforest.protocols import LABELS, REASONS, Verdict  # noqa: E402

DOCS, PACKAGE = PROJECT / "docs", PROJECT / "streamforest"
#: Where an option is explained.
EXPLAINED = {
    **dict.fromkeys(("SOURCE", "INTERVAL", "OUTLIER_PROBABILITY"), "sources.md"),
    **dict.fromkeys(("COLUMN", "TIME_COLUMN", "LABEL_COLUMN"), "sources.md#files"),
    **dict.fromkeys(("KEY_COLUMN", "DROP_AFTER"), "sources.md#many-streams"),
    **dict.fromkeys(("TIME_FORMAT", "TIME_ZONE", "DECIMAL", "EXPLAIN"), "sources.md#how-a-text-is-understood"),
    **dict.fromkeys(("COUNTER", "GAUGE"), "sources.md#counters"),
    "FOLLOW": "sources.md#growing-files",
    **dict.fromkeys(("DETECTOR", "WINDOW", "REFIT_EVERY", "REFITS"), "detectors.md"),
    "COMPARE": "detectors.md#comparing-detectors",
    "MODEL": "models.md",
    "LSTM_MODEL": "models.md#the-lstm-autoencoder",
    **dict.fromkeys(
        ("ALARMS_A_DAY", "DIRECTION", "MINIMUM_DEVIATION", "MINIMUM_DEVIATION_PERCENT", "COOL_DOWN"),
        "alarms.md#alarm-rules",
    ),
    **dict.fromkeys(("ON_ANOMALY", "ON_ANOMALY_SECONDS"), "alarms.md#send-a-message"),
    "TELL": "where-alarms-go.md",
    "HOLIDAYS": "alarms.md#holidays",
    "IGNORE": "alarms.md#maintenance-windows",
    **dict.fromkeys(("FORMAT", "LOG", "REPORT", "SUMMARY"), "outputs.md"),
    **dict.fromkeys(("CHECKPOINT", "CHECKPOINT_EVERY"), "long-runs.md"),
    **dict.fromkeys(("VIEW", "PORT", "PUBLIC"), "live-view.md"),
    "TOKEN_FILE": "live-view.md#prometheus",
    "SNAPSHOT_ON_ANOMALY": "live-view.md#pictures",
    "CASE_ON_ANOMALY": "outputs.md#case-files",
    "GLOBAL_HOTKEY": "live-view.md#the-global-hotkey",
}
#: What an option takes that has no range and no choices.
KINDS = {"switch": "on or off", "path": "a path", "text": "text"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines).replace("|  |", "| |")


# Options


def usage(option: Option) -> str:
    """The option as it is typed."""
    flag = option.flag
    if option.only_in_settings:
        return f"`{option.name}` in settings.py only"
    if option.kind == "switch":
        return f"`{flag}`, `--no-{flag.removeprefix('--')}`"
    if option.kind == "source":
        return f"`{flag}`"
    return f"`{flag} {option.placeholder or flag.removeprefix('--').upper()}`"


def allowed(option: Option) -> str:
    """The values that an option takes, in a few words."""
    words = ", ".join(f"`{choice}`" for choice in option.choices)
    words = words or f"{option.limits} {option.unit}".strip().removeprefix("from ") or KINDS.get(option.kind, "")
    return words + (" or `none`" if option.is_optional else "")


def default(option: Option) -> str:
    """The value of an option in settings.py."""
    value = getattr(settings, option.name, None)
    if value is None:
        return "found" if option.name.endswith("COLUMN") and option.name != "KEY_COLUMN" else "none"
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else f"`{value}`"


def option_rows(options: Iterable[Option]) -> list[list[str]]:
    """Rows of a table of options."""
    return [
        [
            usage(option),
            f"{option.meaning} ([more]({EXPLAINED[option.name]}))" if option.name in EXPLAINED else option.meaning,
            allowed(option),
            default(option),
        ]
        for option in options
    ]


def options_page() -> str:
    """All options, by group."""
    groups = dict.fromkeys(option.group for option in OPTIONS)
    parts = []
    for group in groups:
        rows = option_rows(option for option in OPTIONS if option.group == group)
        shown = table(("option", "what it does", "allowed", "default"), rows)
        parts.append(f"## {group[0].upper()}{group[1:]}\n\n{shown}")
    return "\n\n".join(parts)


# Detectors


def detectors() -> str:
    """The table of detectors."""
    rows = [
        [f"`{name}`", entry.line, entry.cost, entry.memory, ", ".join(f"`{one}`" for one in entry.packages) or "none"]
        for name, entry in DETECTORS.items()
    ]
    return table(("detector", "how it judges", "a point", "memory a stream", "extra packages"), rows)


# Architecture


def first_line(path: Path) -> str:
    """The first line of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    return (docstring or "").partition("\n")[0]


def imported_rooms(room: Path) -> set[str]:
    """The other rooms that a room imports from."""
    found = set()
    for path in room.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE.name}."):
                other = (node.module or "").split(".")[1]
                if (PACKAGE / other).is_dir() and other != room.name:
                    found.add(other)
    return found


def levels(below: dict[str, set[str]]) -> dict[str, int]:
    """Each room's level: one more than the highest that it imports from."""
    found: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in found:
            found[name] = 1 + max(map(level, below[name]), default=0)
        return found[name]

    for name in below:
        level(name)
    return found


def rooms() -> str:
    """The rooms of the package, lowest first, each with those that it imports from."""
    below = {path.parent.name: imported_rooms(path.parent) for path in sorted(PACKAGE.glob("*/__init__.py"))}
    level = levels(below)
    ordered = sorted(below, key=lambda name: (level[name], name))
    rows = [["`streamforest`", "What every room may use: protocols, compiling, state, names, text.", ""]]
    for name in ordered:
        names = sorted(below[name], key=ordered.index)
        rows.append([f"`{name}`", first_line(PACKAGE / name / "__init__.py"), ", ".join(f"`{n}`" for n in names)])
    return table(("room", "what it is", "imports from"), rows)


def files() -> str:
    """Every module with its line, by folder."""
    folders = {"The scripts": sorted(PROJECT.glob("*.py")), "The package": sorted(PACKAGE.glob("*.py"))}
    for path in sorted(PACKAGE.glob("*/__init__.py")):
        folders[f"Room {path.parent.name}"] = sorted(path.parent.rglob("*.py"))
    folders["The benchmarks"] = sorted((PROJECT / "benchmarks").glob("*.py"))
    parts = []
    for title, paths in folders.items():
        rows = [[f"`{path.relative_to(PROJECT).as_posix()}`", first_line(path)] for path in paths]
        parts.append(f"### {title}\n\n{table(('file', 'what it is'), rows)}")
    return "\n\n".join(parts)


# Python API

_SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", re.MULTILINE)
_ROLE = re.compile(r":\w+:`~?([^`]+)`")


def readable(docstring: str) -> str:
    """A numpydoc docstring in Markdown."""
    head, *parts = _SECTION.split(_ROLE.sub(r"`\1`", inspect.cleandoc(docstring)).replace("``", "`"))
    written = [head.strip()]
    for title, body in zip(parts[::2], parts[1::2], strict=True):
        code = re.sub(r"\s*# doctest: \+SKIP", "", body.strip())
        written.append(f"**{title}**\n\n" + (f"```\n{code}\n```" if title == "Examples" else _entries(body)))
    return "\n\n".join(written)


def _entries(body: str) -> str:
    """Parameters and the like as a list: ``name : type`` and what it means."""
    if not re.search(r"^ +\S", body, re.MULTILINE):
        return body.strip()
    entries: list[str] = []
    for line in body.strip().splitlines():
        if not line.startswith(" "):
            name, _, kind = line.partition(" : ")
            entries.append(f"- `{name}`" + (f" ({kind})" if kind else ""))
        else:
            joint = " " if entries[-1].count(": ") else ": "
            entries[-1] += joint + line.strip()
    return "\n".join(entries)


def signature(function: Any) -> str:
    """A function's parameters as a caller gives them."""
    given = []
    for name, one in inspect.signature(function).parameters.items():
        value = DEFAULTS.get(repr(one.default), one.default)
        if name not in {"self", "cls"}:
            given.append(one.replace(annotation=one.empty, default=value))
    return str(inspect.Signature(given))


class _Shown:
    """Stands for a default value in a signature."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


#: Defaults that read better in other words.
DEFAULTS = {repr(NO_RULES): _Shown("Rules()"), repr(time.monotonic): _Shown("time.monotonic"), repr(UTC): _Shown("UTC")}


def docstring_of(owner: type, name: str) -> str:
    """A method's docstring; where it refers to a base class's method, that one's."""
    text = inspect.getdoc(getattr(owner, name)) or ""
    if found := re.search(r"see :meth:`(\w+)\.\w+`", text):
        base = next(one for one in owner.__mro__ if one.__name__ == found[1])
        return inspect.getdoc(getattr(base, name)) or ""
    return text


def described(owner: Any) -> str:
    """A class with its public methods, or a function."""
    text = readable(owner.__doc__ or "")
    parts = [f"## {owner.__name__}\n\n```\n{owner.__name__}{signature(owner)}\n```\n\n{text}"]
    for name, raw in inspect.getmembers(owner) if inspect.isclass(owner) else ():
        function = inspect.unwrap(getattr(raw, "__func__", raw))
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        text = readable(docstring_of(owner, name))
        parts.append(f"### {owner.__name__}.{name}\n\n```\n{name}{signature(function)}\n```\n\n{text}")
    return "\n\n".join(parts)


def api() -> str:
    """The public names, the verdict, and its tables of labels and reasons."""
    names = ("StreamDetector", "StreamDetectors", "Rules", "public_holidays")
    parts = [described(getattr(streamforest, name)) for name in names]
    assert set(streamforest.__all__) == set(names)
    parts.append(f"## Verdict\n\n{readable(Verdict.__doc__ or '')}")
    kinds = ", ".join(f"`{name}`" for name in LABELS)
    reasons = ", ".join(f"`{name}`" for name in REASONS if name)
    parts.append(f"In arrays, `label` is an index into {kinds}, or -1; `reason` is an index into none, {reasons}.")
    return "\n\n".join(parts)


#: Page and name of each part that is made, and what makes it.
PARTS: dict[tuple[str, str], Callable[[], str]] = {
    ("options.md", "options"): options_page,
    ("detectors.md", "detectors"): detectors,
    ("architecture.md", "rooms"): rooms,
    ("architecture.md", "files"): files,
    ("python-api.md", "api"): api,
}


def filled(page: str, text: str) -> str:
    """A page's text with the parts made anew."""
    for (name, part), make in PARTS.items():
        if name == page:
            mark = f"<!-- generated: {part} -->\n"
            before, found, rest = text.partition(mark)
            _, end, after = rest.partition("<!-- end -->")
            if not found or not end:
                raise ValueError(f"docs/{page} has no place for '{part}'")
            text = f"{before}{mark}\n{make()}\n\n{end}{after}"
    return text


def main() -> None:
    """Write all of them."""
    for page in sorted({page for page, _ in PARTS}):
        path = DOCS / page
        path.write_text(filled(page, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
