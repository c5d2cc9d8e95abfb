import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from streamforest import compiled as module
from streamforest.compiled import cache_folder, compiled, compiled_sources, is_compiling, telling_of_compiling


def package_in(folder):
    """A package of its own with a copy of the module and one compiled function, as a function: package -> modules."""
    folder.mkdir(exist_ok=True)
    shutil.copy(module.__file__, folder / "compiled.py")
    (folder / "double.py").write_text("def double(x):\n    return 2.0 * x\n")
    return folder


def load(path):
    """A fresh run of a module: nothing is remembered from an earlier one."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return package_in(tmp_path / "package")


@compiled
def _ratio(a, b):
    return a / b


@compiled
def _lost(a, b):
    return (a + b) - a


@compiled
def _sum(values):
    total = 0.0
    for value in values:
        total += value
    return total


def test_arithmetic_is_strict_and_division_by_zero_is_no_error():
    assert _ratio(1.0, 0.0) == np.inf
    assert np.isnan(_ratio(0.0, 0.0))
    assert _lost(1e16, 1.0) == 0.0, "reordered: the sum would be exact"
    values = np.random.default_rng(1).normal(size=10_001) * 10.0 ** np.arange(10_001).clip(0, 12)
    assert _sum(values) == _sum.py_func(values), "reordered: another rounding"


@compiled
def _twice_and_thrice(a):
    return _multiplied(a, 2) + _multiplied(a, 3)


@compiled
def _multiplied(a, times):
    return a * times


def test_what_is_called_with_several_constants_is_compiled_once():
    assert _twice_and_thrice(1.5) == 7.5
    assert len(_multiplied.part.signatures) == 1
    assert not _multiplied.signatures, "by itself it is compiled where Python calls it"
    assert _multiplied(1.5, 2) == 3.0
    assert len(_multiplied.signatures) == 1


def test_it_runs_without_the_interpreters_lock():
    assert _sum.targetoptions["nogil"] is True


def test_other_programs_functions_keep_their_own_place():
    before = numba.config.CACHE_DIR
    compiled(lambda x: x)
    assert before == numba.config.CACHE_DIR


def test_the_folder_is_in_the_package_and_of_the_whole_source():
    folder = cache_folder()
    assert folder is not None
    assert folder.is_dir()
    assert Path(module.__file__).parent in folder.parents or Path.home() in folder.parents


def double(package, said, value=4.0):
    """A fresh run that compiles a function, or finds it compiled; what it says of that goes to ``said``."""
    fresh = load(package / "compiled.py")
    function = fresh.compiled(load(package / "double.py").double)
    with fresh.telling_of_compiling(said.append):
        assert function(value) == 2 * value


def test_that_it_compiles_is_told_once_and_never_again_of_what_is_kept(package):
    said = []
    double(package, said)
    assert said == ["compiling, once: this takes up to half a minute"]
    double(package, said)
    assert len(said) == 1, "the next run finds it"
    double(package, said, value=4)
    assert len(said) == 2, "a type that was never compiled takes time again"


def test_of_several_functions_compiled_only_the_first_is_told_and_none_outside(monkeypatch):
    monkeypatch.setattr(module, "cache_folder", lambda: None)  # or an earlier run of this test has left them on disk
    said = []
    with telling_of_compiling(said.append):
        compiled(lambda x: x)(1)
        compiled(lambda x: -x)(1)
    compiled(lambda x: x)(1.0)
    assert len(said) == 1


def test_it_is_known_while_something_is_compiled(monkeypatch):
    monkeypatch.setattr(module, "cache_folder", lambda: None)
    seen = []
    with telling_of_compiling(lambda _line: seen.append(is_compiling())):
        compiled(lambda x: x + 3)(1)
    assert (seen, is_compiling()) == ([True], False)


BLAS = """
import sys
import streamforest.compiled
import numba, numpy as np
assert "scipy.linalg" not in sys.modules
@numba.njit
def product(rows): return rows @ rows
assert np.array_equal(product(np.eye(3)), np.eye(3))
"""


def test_scipy_is_not_imported_and_blas_works_where_somebody_else_needs_it():
    subprocess.run([sys.executable, "-c", BLAS], cwd=Path(module.__file__).parents[1], check=True, timeout=120)


def holding(constant):
    return f"from package.constants import {constant}\n\n\n@compiled\ndef f(): ...\n"


def folder_of(package):
    return load(package / "compiled.py").cache_folder()


def test_a_changed_source_gets_a_new_folder_and_the_old_one_goes(package):
    (package / "sub").mkdir()
    (package / "sub" / "other.py").write_text(holding("ONE"))
    old = folder_of(package)
    assert old == folder_of(package)
    (package / "sub" / "other.py").write_text(holding("TWO"))
    new = folder_of(package)
    assert new != old
    assert new.is_dir()
    assert not old.exists()


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("from package.constants import LIMIT", "constants.py"),
        ("from package import constants", "constants.py"),
        ("from package import one, constants as c", "constants.py"),
        ("from package.sub import (\n    one,\n    constants,\n)", "sub/constants.py"),
        ("from package.sub import LIMIT", "sub/__init__.py"),
        ("import package.sub.constants", "sub/constants.py"),
    ],
)
def test_a_constant_that_compiled_code_saw_counts_with_all_that_made_it(package, line, file):
    (package / "sub").mkdir()
    (package / "holder.py").write_text(f"{line}\n\n\n@compiled\ndef f(): ...\n")
    (package / file).write_text("from package.deeper import LIMIT\n")
    (package / "deeper.py").write_text("LIMIT = 1\n")
    folders = [folder_of(package)]
    (package / "deeper.py").write_text("LIMIT = 2\n")
    folders.append(folder_of(package))
    (package / file).write_text("LIMIT = 3\n")
    folders.append(folder_of(package))
    assert len(set(folders)) == 3


def test_a_word_changed_in_what_holds_no_compiled_code_compiles_nothing(package):
    (package / "summary.py").write_text("from package.holder import f\nWORD = 1\n")
    (package / "holder.py").write_text("def lazily():\n    import package.late\n\n\n@compiled\ndef f(): ...\n")
    (package / "late.py").write_text("")
    before = folder_of(package)
    for name in ("summary.py", "late.py"):
        (package / name).write_text("WORD = 2\n")
        assert folder_of(package) == before


def test_the_program_is_no_part_of_what_is_compiled():
    folder = Path(module.__file__).parent
    found = {path.relative_to(folder).as_posix() for path in compiled_sources(folder)}
    assert {
        "compiled.py",
        "compiled_parts.py",
        "features/observe.py",
        "judging/decide.py",
        "models/forest.py",
        "protocols.py",
    } <= found
    assert not [name for name in found if name.startswith(("program/", "views/", "figures/", "sinks/", "sources/"))]


def test_a_user_may_say_where_the_cache_is(package, tmp_path, monkeypatch):
    (package / "__pycache__").write_text("a file where the folder would be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    assert tmp_path / "mine" / "streamforest" in folder_of(package).parents


def test_a_package_that_cannot_be_written_uses_the_home_and_without_that_nothing(package, tmp_path):
    (package / "__pycache__").write_text("a file where the folder would be")
    folder = load(package / "compiled.py").cache_folder()
    assert tmp_path / "home" / ".cache" in folder.parents
    shutil.rmtree(tmp_path / "home")
    (tmp_path / "home").write_text("a file too")
    assert load(package / "compiled.py").cache_folder() is None
    said = []
    double(package, said)
    double(package, said)
    assert said == ["compiling, and nowhere to keep it for the next run: this takes up to half a minute"] * 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user who may not write everywhere")
def test_a_folder_without_permission_is_not_used(package, tmp_path):
    package.chmod(0o500)
    try:
        assert tmp_path / "home" in load(package / "compiled.py").cache_folder().parents
    finally:
        package.chmod(0o700)


def test_the_suite_itself_runs_compiled_code():
    assert cache_folder() is None or any(cache_folder().rglob("*.nbi"))
