"""What is installed is what is there: extras, requirement files, scripts, versions and the model in the wheel."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import streamforest
from streamforest.features.vector import VECTOR_NAMES
from streamforest.models.model_file import load_model
from streamforest.program import warm_up

PROJECT = Path(__file__).parents[1]
#: The programs of an environment in which the package was installed and nothing compiled yet.
PROGRAMS = os.environ.get("INSTALLED_PROGRAMS")
FOUND = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements(path):
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def test_the_extras_are_the_requirement_files():
    files = {path.stem: requirements(path) for path in (PROJECT / "streamforest" / "requirements").glob("*.txt")}
    assert FOUND["optional-dependencies"] == files


def test_a_run_needs_what_requirements_txt_says_but_for_the_global_hotkey():
    hotkey = FOUND["optional-dependencies"]["hotkey"]
    assert sorted([*FOUND["dependencies"], *hotkey]) == sorted(requirements(PROJECT / "requirements.txt"))


@pytest.mark.skipif(not (PROJECT / ".ci").exists(), reason="only where it is developed")
def test_what_is_locked_is_what_is_required_each_file_by_its_hash():
    text = (PROJECT / ".ci" / "locked.txt").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))
    assert len(re.findall(r"^\S+==\S+ \\\n +--hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)) == len(locked)
    for path in ("requirements.txt", "tests/requirements.txt"):
        for line in map(Requirement, requirements(PROJECT / path)):
            assert locked[canonicalize_name(line.name)] in line.specifier, "lock anew, see CONTRIBUTING.md"


def test_the_version_stands_in_one_place():
    assert FOUND["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", streamforest.__version__)


def test_the_shipped_model_is_one_of_this_version():
    model = load_model(PROJECT / "streamforest" / "models" / "isolation_forest.joblib")
    assert tuple(model.feature_names) == VECTOR_NAMES, (
        "train it anew: python model_prod.py --output streamforest/models/isolation_forest.joblib"
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built as pip builds it."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."]
    subprocess.run(words, cwd=PROJECT, check=True, timeout=300)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_package_with_its_model_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"streamforest"}
    assert {"streamforest/models/isolation_forest.joblib", "streamforest/py.typed"} <= names
    modules = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "streamforest").rglob("*.py")}
    assert modules <= names
    page = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "streamforest/views/page").rglob("*.*")}
    assert {"streamforest/views/page/page.html", "streamforest/views/page/uplot/uPlot.iife.min.js"} <= page <= names
    licences = [name for name in names if name.endswith("LICENSE")]
    assert sum("uplot" in name for name in licences) == 2, "beside uPlot's files, and among the licences of the wheel"
    assert not [name for name in names if "__pycache__" in name]


COMPILES_NOTHING = """
import numpy as np
from numba.core import event
from streamforest.program import warm_up
warm_up.compile_all("stream", "point")
assert warm_up.is_compiled()

class Listener(event.Listener):
    def on_start(self, event):
        raise SystemExit(f"compiled: {event.data['dispatcher']}")
    def on_end(self, event):
        pass

event.register("numba:compile", Listener())
from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.program.cli import SHIPPED
from streamforest.verdicts.counts import RunCounts
detector = StreamDetector.load(SHIPPED["MODEL"])
counts = RunCounts(0.001)
counts.add(detector.update_many(np.zeros(100)))
counts.add(detector.update_many(np.zeros(1)))
"""


@pytest.mark.skipif(PROGRAMS is None, reason="compiles all anew, for a minute: .ci/run does so where it installs it")
def test_the_installed_command_judges_at_once_and_its_first_run_compiles_all_that_others_need(tmp_path):
    binary = Path(PROGRAMS)
    words = ["simulated", "--max-points", "500", "--delay", "0", "--no-visualization", "--format", "json"]
    run = subprocess.run(
        [str(binary / "streamforest"), *words], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert (run.returncode, len(run.stdout.splitlines())) == (0, 500), run.stderr
    words = [str(binary / "python"), "-c", COMPILES_NOTHING]
    run = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    package = next(binary.parent.rglob("site-packages")) / "streamforest"
    assert len(list(package.rglob("*.nbi"))) == warm_up.FUNCTIONS, "the bar knows how many functions there are"
