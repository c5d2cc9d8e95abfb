import ast
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "streamforest"
SCRIPTS = [PROJECT / f"{name}.py" for name in ("main", "anomaly", "model_prod", "settings")]
MODULES = sorted(PACKAGE.rglob("*.py"))
#: Folders of interchangeable parts, which know nothing of one another.
INTERCHANGEABLE = ("sources", "detectors", "sinks", "views")
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


NAMES = {name_of(path): path for path in [*MODULES, *SCRIPTS]}


def for_types_only(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def statements(tree, inner=True):
    """All nodes but what is imported for types only; without ``inner``, those that an import of the file runs."""
    for node in ast.iter_child_nodes(tree):
        if for_types_only(node) or (not inner and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            continue
        yield node
        yield from statements(node, inner)


def imports(path, inner=True):
    """Full names of the modules that a file imports."""
    found = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8")), inner):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports by a relative name"
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & set(NAMES)
            found |= inside or {node.module}
    return found


def level(name):
    """Height in the tree: an import must lead lower, except between the parts in the middle."""
    top, *rest = name.split(".")
    if top == "main":
        return 6
    if name == "streamforest.assembly":
        return 5
    if top in ("anomaly", "model_prod") or name in ("streamforest.watch", "streamforest.streams"):
        return 4
    if rest and rest[0] == "engines":
        return 5 if name.startswith("streamforest.engines.spark_") else 4
    if rest and rest[0] in INTERCHANGEABLE:
        return 3
    if name == "streamforest.protocols":
        return 1
    if name == "streamforest":
        return 0
    return 2


def own(path, inner=True):
    return {name for name in imports(path, inner) if name in NAMES}


def ids(paths):
    return [str(path.relative_to(PROJECT)) for path in paths]


every_file = pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=ids([*MODULES, *SCRIPTS]))


@every_file
def test_imports_only_go_down(path):
    name = name_of(path)
    if name in ("streamforest", "settings"):
        return  # the one hands on the public name, the other imports nothing
    for other in own(path) - {"settings"}:
        assert level(other) < level(name) or level(other) == level(name) in (2, 3), f"{name} imports {other}"


@every_file
def test_sources_detectors_and_sinks_know_nothing_of_one_another(path):
    *_, folder, _ = ("", "", *path.relative_to(PROJECT).parts)
    if folder not in INTERCHANGEABLE:
        return
    table = f"streamforest.{folder}"
    for other in own(path):
        if level(other) == 3:
            assert path.name == "__init__.py", f"{name_of(path)} imports {other}"
            assert other.startswith(table), f"{name_of(path)} imports {other}"


def test_no_imports_go_round_in_a_circle():
    graph = {name: own(path) - {"streamforest"} for name, path in NAMES.items() if name != "streamforest"}
    done = set()
    while len(done) < len(graph):
        ready = {name for name, needs in graph.items() if name not in done and needs <= done}
        assert ready, f"a circle among {sorted(set(graph) - done)}"
        done |= ready


@every_file
def test_only_the_two_programs_read_the_settings(path):
    if path.name not in ("main.py", "model_prod.py"):
        assert "settings" not in imports(path)


def test_settings_import_nothing():
    assert imports(PROJECT / "settings.py") <= {"__future__"}


def test_the_protocols_need_the_standard_library_and_numpy_only():
    tops = {name.split(".")[0] for name in imports(PACKAGE / "protocols.py")}
    assert tops <= set(sys.stdlib_module_names) | {"numpy"}


@pytest.mark.parametrize("name", ["protocols.py", "validation.py", "sources/*.py", "sinks/*.py"])
def test_heavy_packages_are_imported_only_where_and_when_they_are_needed(name):
    paths = list(PACKAGE.glob(name))
    assert paths
    for path in paths:
        assert not {name.split(".")[0] for name in imports(path, inner=False)} & HEAVY, path.name


@every_file
def test_the_first_line_says_what_the_file_is(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, "no docstring"
    first, *rest = docstring.splitlines()
    assert first.endswith("."), first
    assert len(first) <= 117, first
    assert not rest or not rest[0], "the first line stands alone"


@pytest.mark.parametrize(
    "path",
    [path for path in [*MODULES, *SCRIPTS] if path.name != "__init__.py"],
    ids=ids(path for path in [*MODULES, *SCRIPTS] if path.name != "__init__.py"),
)
def test_every_file_has_a_test_file_of_its_name(path):
    base = PACKAGE if PACKAGE in path.parents else PROJECT
    place = PROJECT / "tests" / path.relative_to(base).parent / f"test_{path.name}"
    assert place.is_file(), f"{place.relative_to(PROJECT)} is missing"


def test_every_test_file_has_a_name_of_its_own():
    names = [path.name for path in (PROJECT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names))
