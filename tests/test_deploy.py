"""What is in deploy/ is tried as far as it can be without a container engine or a running systemd."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streamforest.program.options import OPTIONS, read_config, read_options
from streamforest.protocols import VERDICT_DTYPE, Status
from streamforest.views.exposition import exposition

PROJECT = Path(__file__).parents[1]
DEPLOY = PROJECT / "deploy"
UNIT = (DEPLOY / "streamforest.service").read_text(encoding="utf-8")
IMAGE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


def words_of(instruction):
    """The words of the Dockerfile's last such instruction."""
    return shlex.split(re.findall(rf"^{instruction} (\[.*\])$", IMAGE, re.MULTILINE)[-1].strip("[]").replace(",", " "))


def options_of(words, folder):
    return read_options(words, {}, folder, program="streamforest", description="")


@pytest.fixture
def unit(tmp_path):
    """The unit, with a program in place of the installed one."""
    path = tmp_path / "streamforest.service"
    path.write_text(UNIT.replace("/opt/streamforest/bin/streamforest", sys.executable), encoding="utf-8")
    return path


@needs_systemd
def test_systemd_understands_every_line_of_the_unit(unit):
    run = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (0, "")


@needs_systemd
def test_systemd_finds_the_unit_hardened(unit):
    words = ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit]
    run = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if "unrecognized option" in run.stderr:
        pytest.skip("this systemd has no --offline")
    assert run.returncode == 0, run.stdout


def test_the_units_options_and_the_file_beside_it_are_options_of_the_program(tmp_path):
    line = re.search(r"^ExecStart=(.*)$", UNIT.replace("\\\n", " "), re.MULTILINE)[1]
    words = [str(DEPLOY / "streamforest.toml") if word == "/etc/streamforest.toml" else word for word in line.split()]
    options = options_of(words[1:], tmp_path)
    assert options.view == "none"
    assert options.source == read_config(DEPLOY / "streamforest.toml")["SOURCE"]
    writes = [option.name.lower() for option in OPTIONS if option.kind == "path" and "MODEL" not in option.name]
    for name in writes:
        path = getattr(options, name)
        assert path is None or str(path).startswith(("%L/", "%S/")), f"{name} is where the unit may not write"


def test_the_images_command_is_one_of_the_program_and_writes_below_data_only(tmp_path):
    program, *words = [*words_of("ENTRYPOINT"), *words_of("CMD")]
    options = options_of(words, tmp_path)
    assert program == "streamforest"
    assert (options.port, options.token_file) == (8080, Path("/data/token"))
    assert words_of("CMD") == ["simulated"]
    assert "\nUSER 10001\n" in IMAGE
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", IMAGE, re.MULTILINE)
    for name in " ".join(copied).split():
        assert (PROJECT / name).exists()
        assert f"!{name}\n" in (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8")


def test_the_page_is_healthy_while_it_answers_and_not_before_or_after(tmp_path):
    token = tmp_path / "token"

    def check(port):
        words = [sys.executable, str(DEPLOY / "health.py"), port, str(token)]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert check("1").returncode == 1
    program, *words = words_of("ENTRYPOINT")
    words = [str(token) if word == "/data/token" else "0" if word == "8080" else word for word in words]
    words = [sys.executable, "-m", program, *words, "--detector", "z-score", "--delay", "0.01", "--format", "quiet"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        words, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as run:
        page = next(line for line in run.stderr if line.startswith("page: "))
        port = re.search(r":(\d+)/", page)[1]
        found = check(port)
        run.terminate()
        run.communicate(timeout=60)
    assert (found.returncode, found.stderr) == (0, "")
    gone = check(port)
    assert gone.returncode == 1
    assert gone.stderr.startswith("the page does not answer: ")
    assert len(gone.stderr.splitlines()) == 1


def test_the_dashboard_shows_numbers_that_a_run_has():
    text = (DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8")
    panels = json.loads(text)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    happened = {"start": 1, "worse": 0, "end": 0}
    status = Status("a", "b", ("b",), 1, 0, 0, 0, 0, 1.0, 0.001, 0.0, None, None, 1.0)
    status = status._replace(happened=happened, messages=(("ntfy://h", 1, 0, 0),))
    shown = exposition(status, np.zeros(1, VERDICT_DTYPE), "1").decode()
    names = set(re.findall(r"^(streamforest_\w+)", shown, re.MULTILINE))
    assert set(re.findall(r"\bstreamforest_\w+", text)) <= names
