import subprocess
import sys
from pathlib import Path

import pytest

from streamforest.program import cli

PROJECT = Path(__file__).parents[2]
BARE = """
import sys
sys.path[:] = [{project!r}, *(path for path in sys.path if "site-packages" not in path)]
sys.argv[1:] = []
import runpy
runpy.run_path({script!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dalay", "1"], "--dalay is no option; did you mean --delay?"),
        (["--dalay=1"], "--dalay is no option; did you mean --delay?"),
        (["--detector", "zscore"], "; did you mean z-score?"),
        (["--compare", "zscore,isolation-forest"], "; did you mean z-score?"),
        (["--xyz"], "--xyz is no option; --help shows what there is"),
        (["a.csv", "b.csv"], "'b.csv' is one word too many; --help shows what there is"),
        (["--delay"], "argument --delay: expected one argument"),
        (["--print-completion", "fish"], "argument --print-completion: invalid choice: 'fish'"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_one_line_with_a_guess(words, message, capsys):
    assert cli.main(words, "streamforest") == cli.WRONG_USE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("streamforest: ")
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("memry", "there is no file 'memry'; did you mean memory?"),
        ("simulated:paymants", "; did you mean payments?"),
    ],
)
def test_a_misspelt_source_is_told_with_a_guess(source, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main([source, "--no-visualization", "--detector", "z-score"], "streamforest") == cli.FAILED
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("script", ["main.py", "model_prod.py"])
def test_without_the_packages_one_line_says_what_to_install(script):
    code = BARE.format(project=str(PROJECT), script=str(PROJECT / script))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert len(run.stderr.splitlines()) == 1
    assert run.stderr.startswith(f"{script}: num")
    assert run.stderr.endswith("is not installed; run 'python -m pip install -r requirements.txt'\n")


@pytest.mark.parametrize("script", ["main.py", "model_prod.py"])
def test_an_older_python_is_told_in_one_line(script):
    code = f"import runpy, sys\nsys.version_info = (3, 9, 1)\nrunpy.run_path({str(PROJECT / script)!r})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    assert run.stderr == f"{script} needs Python 3.11 or newer, this is 3.9\n"


def test_the_model_of_the_user_wins_and_the_one_of_the_package_is_there_without_it(tmp_path):
    def model(*words, **settings):
        return cli.read_options(
            *(words, settings, tmp_path), program="streamforest", description="", shipped=cli.SHIPPED
        ).model

    assert model() == cli.SHIPPED["MODEL"]
    assert cli.SHIPPED["MODEL"].is_file(), (
        "see docs: model_prod.py --output streamforest/models/isolation_forest.joblib"
    )
    assert model("--model", "isolation_forest.joblib") == Path("isolation_forest.joblib"), "asked for by name"
    assert model(MODEL="mine.joblib") == tmp_path / "mine.joblib"
    (tmp_path / "isolation_forest.joblib").touch()
    assert model() == tmp_path / "isolation_forest.joblib"


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_learns_the_options_and_their_words(shell, capsys):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit) as caught:
        cli.main(["--print-completion", shell], "streamforest")
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for word in ("--alarm-rate", "matrix-profile", "--no-follow"):
        assert word.removeprefix("--") in shown


def test_without_shtab_the_command_that_installs_it_is_told(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert cli.main(["--print-completion", "bash"], "streamforest") == cli.WRONG_USE
    assert "streamforest/requirements/completion.txt" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        SystemError("a function returned NULL without an exception"),
        RuntimeError("can't start new thread"),
        ImportError("libx.so: failed to map segment from shared object"),
    ],
)
def test_where_memory_ends_one_line_says_so(error, capsys, monkeypatch, tmp_path):
    def fail(_loop):
        raise error

    monkeypatch.chdir(tmp_path)
    words = ["simulated", "--no-visualization", "--detector", "z-score", "--log", "none"]
    assert cli.main(words, "streamforest", judge_all=fail) == cli.FAILED
    assert "memory" in capsys.readouterr().err
