import subprocess
import sys
from pathlib import Path

import pytest

import streamforest
from streamforest.models.model_file import load_model

PROJECT = Path(__file__).parents[1]


def run(folder, *words, module=True):
    """The command in a folder of its own."""
    start = ["-m", "streamforest"] if module else [str(PROJECT / "main.py")]
    return subprocess.run(
        [sys.executable, *start, *words],
        env={"PYTHONPATH": str(PROJECT), "PATH": "", "HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("words", [["--version"], ["train", "--version"]])
def test_it_says_its_version(tmp_path, words):
    found = run(tmp_path, *words)
    assert (found.returncode, found.stdout, found.stderr) == (0, f"streamforest {streamforest.__version__}\n", "")


def test_it_judges_with_the_model_of_the_package_as_main_does(tmp_path):
    words = ("simulated", "--max-points", "500", "--delay", "0", "--no-visualization", "--format", "json")
    found = run(tmp_path, *words)
    assert (found.returncode, len(found.stdout.splitlines())) == (0, 500)
    assert (tmp_path / "anomaly.log").is_file(), "beside the user"
    model = str(PROJECT / "streamforest" / "models" / "isolation_forest.joblib")
    assert run(tmp_path, *words, "--model", model, "--log", "none", module=False).stdout == found.stdout


def test_a_wrong_word_is_told_by_the_name_of_the_command(tmp_path):
    found = run(tmp_path, "train", "--sead", "1")
    assert (found.returncode, found.stderr) == (2, "streamforest train: --sead is no option; did you mean --seed?\n")


def test_it_trains_on_a_file_and_the_model_beside_the_user_is_taken(tmp_path):
    values = "\n".join(str((i * i) % 97 + i % 7 / 10) for i in range(3000))
    (tmp_path / "own.csv").write_text(f"value\n{values}\n", encoding="utf-8")
    found = run(tmp_path, "train", "--train-on", "own.csv", "--seed", "5")
    assert found.returncode == 0, found.stderr
    assert found.stdout.endswith("saved isolation_forest.joblib\n")
    assert load_model(tmp_path / "isolation_forest.joblib").seed == 5
    (tmp_path / "isolation_forest.joblib").write_bytes(b"damaged")
    found = run(tmp_path, "--max-points", "5", "--delay", "0", "--no-visualization")
    assert found.returncode == 1
    assert "isolation_forest.joblib" in found.stderr
