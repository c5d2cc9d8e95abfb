import ast
import sys
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "streamforest"
SCRIPTS = [PROJECT / f"{name}.py" for name in ("main", "anomaly", "model_prod", "settings")]
MODULES = sorted(PACKAGE.rglob("*.py"))
#: Number of each room: an import leads to a room with a lower number or stays in its own.
ROOMS = {
    "storage": 1,
    "terminal": 1,
    "connections": 1,
    "features": 1,
    "simulation": 1,
    "reading": 2,
    "models": 2,
    "verdicts": 2,
    "judging": 3,
    "detectors": 4,
    "sources": 4,
    "sinks": 4,
    "figures": 4,
    "views": 5,
    "streams": 5,
    "engines": 6,
    "adapters": 6,
    "program": 6,
}
#: Rooms of interchangeable parts, each in the table of its room's ``__init__`` and known to no other part.
INTERCHANGEABLE = ("detectors", "sources", "sinks")
#: Four ways to show a figure, which know nothing of one another either.
VIEWS = {f"streamforest.views.{name}" for name in ("browser", "window", "terminal", "headless")}
#: Brought by requirements.txt and slow to import, or not needed by every run.
HEAVY = {
    "sklearn",
    "joblib",
    "numba",
    "matplotlib",
    "tornado",
    "keyboard",
    "PySide6",
    "scipy",
    "pandas",
    "torch",
    "pyspark",
    "pyarrow",
}


def name_of(path):
    """The name that a file is imported by."""
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


#: What is run and not imported: above all rooms.
PROGRAMS = {"streamforest.__main__"}

NAMES = {name_of(path): path for path in [*MODULES, *SCRIPTS]}


def for_types_only(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def statements(tree, at_once=False):
    """All nodes; with ``at_once`` only those that an import of the file runs."""
    for node in ast.iter_child_nodes(tree):
        if at_once and (for_types_only(node) or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            continue
        yield node
        yield from statements(node, at_once)


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path, at_once=False):
    """Full names of the modules that a file imports, those for types only and those inside functions among them."""
    found = set()
    for node in statements(tree_of(path), at_once):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports by a relative name"
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & set(NAMES)
            assert inside or node.module != PACKAGE.name, f"{path.name} imports a public name, not a module"
            found |= inside or {node.module}
    return found


def room_of(name):
    """The room that a module is in: "" for the package itself and None for the scripts beside it."""
    top, *rest = name.split(".")
    if top != PACKAGE.name or name in PROGRAMS:
        return None
    return rest[0] if rest and rest[0] in ROOMS else ""


def level(name):
    """The number of a module's room: the package itself is below all rooms, the scripts are above them."""
    room = room_of(name)
    return len(ROOMS) if room is None else ROOMS.get(room, 0)


def own(path):
    """The project's own modules that a file imports, but for the settings, which have a test of their own."""
    return {name for name in imports(path) if name in NAMES} - {"settings"}


FILES = [*MODULES, *SCRIPTS]


def test_an_import_leads_to_a_lower_room_or_stays_in_its_own():
    wrong = [
        f"{name} imports {other}"
        for name, path in NAMES.items()
        if name != PACKAGE.name  # it hands on the public names
        for other in own(path)
        if level(other) >= level(name) and room_of(other) != room_of(name)
    ]
    assert not wrong


def test_every_folder_is_a_room():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders | {"streams"} == set(ROOMS)


def test_a_detector_a_source_and_a_sink_know_nothing_of_one_another():
    for name, path in NAMES.items():
        if room_of(name) in INTERCHANGEABLE and path.name != "__init__.py":
            assert not {other for other in own(path) if room_of(other) in INTERCHANGEABLE}, name


def test_a_view_knows_nothing_of_the_others():
    for name in VIEWS:
        assert not own(NAMES[name]) & VIEWS


def test_no_imports_go_round_in_a_circle():
    graph = {name: own(path) - {PACKAGE.name} for name, path in NAMES.items() if name != PACKAGE.name}
    done = set()
    while len(done) < len(graph):
        ready = {name for name, needs in graph.items() if name not in done and needs <= done}
        assert ready, f"a circle among {sorted(set(graph) - done)}"
        done |= ready


def test_only_the_two_programs_read_the_settings():
    assert {path.name for path in FILES if "settings" in imports(path)} <= {"main.py", "model_prod.py"}


def test_settings_import_nothing():
    assert imports(PROJECT / "settings.py") <= {"__future__"}


def test_the_protocols_need_the_standard_library_and_numpy_only():
    tops = {name.split(".")[0] for name in imports(PACKAGE / "protocols.py")}
    assert tops <= set(sys.stdlib_module_names) | {"numpy"}


@pytest.mark.parametrize(
    "name", ["protocols.py", "reading/notation.py", "reading/validation.py", "sources/*.py", "sinks/*.py"]
)
def test_heavy_packages_are_imported_only_where_and_when_they_are_needed(name):
    paths = list(PACKAGE.glob(name))
    assert paths
    for path in paths:
        assert not {name.split(".")[0] for name in imports(path, at_once=True)} & HEAVY, path.name


def test_the_first_line_says_what_the_file_is():
    for path in FILES:
        docstring = ast.get_docstring(tree_of(path))
        assert docstring, f"{path} has no docstring"
        first, *rest = docstring.splitlines()
        assert first.endswith("."), f"{path}: {first}"
        assert len(first) <= 117, f"{path}: {first}"
        assert not rest or not rest[0], f"{path}: the first line stands alone"


def test_every_file_has_a_test_file_of_its_name():
    missing = []
    for path in FILES:
        base = PACKAGE if PACKAGE in path.parents else PROJECT
        place = PROJECT / "tests" / path.relative_to(base).parent / f"test_{path.name}"
        if path.name != "__init__.py" and not place.is_file():
            missing.append(place.relative_to(PROJECT))
    assert not missing
