"""The documentation is true: links lead somewhere, generated parts are up to date, commands and examples run."""

import importlib.util
import os
import posixpath
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import main
import settings
from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.models.model_file import save_model
from streamforest.program.options import OPTIONS, read_options
from streamforest.protocols import Detector, Reading, Sink, Source
from streamforest.terminal.stop import StopFlag
from tests.documents import DOCS, PAGES, PROJECT, anchors, blocks, commands, links
from tests.programs import MAIN, ran

TUTORIAL = "docs/getting-started.md"

#: Commands that another test runs, with its own addresses, files and ports: a part of the command, and that test.
ELSEWHERE = {
    "example.org | sed": "tests/test_one_liners.py",
    "vmstat": "tests/test_one_liners.py",
    "curl -so": "tests/test_one_liners.py",
    "nc -lk": "tests/test_one_liners.py",
    "mosquitto_sub": "tests/test_one_liners.py",
    "websockets": "tests/test_one_liners.py",
    "kubectl": "tests/test_one_liners.py",
    "journalctl": "tests/test_one_liners.py",
    "/dev/ttyUSB0": "tests/test_one_liners.py",
    "example.org/hook": "tests/sinks/test_hook.py",
    "notify.sh": "tests/sinks/test_hook.py",
    "ntfy.sh": "tests/sinks/test_hook.py",
    "mail.sh": "tests/sinks/test_hook.py",
    "--tell ntfy": "tests/sinks/test_ntfy.py",
    '--tell "ntfy': "tests/sinks/test_ntfy.py",
    '--tell "alertmanager': "tests/sinks/test_alertmanager.py",
    '--tell "webhook': "tests/sinks/test_webhook.py",
    '--tell "slack': "tests/sinks/test_chat.py",
    '--tell "teams': "tests/sinks/test_chat.py",
    '--tell "smtp': "tests/sinks/test_mail.py",
    '--tell "mqtt': "tests/sinks/test_home_assistant.py",
    '--tell "pagerduty': "tests/sinks/test_pagerduty.py",
    '--tell "grafana': "tests/sinks/test_grafana.py",
    '--tell "otlp': "tests/sinks/test_otlp.py",
    "main.py serve": "tests/program/test_serving.py",
    'AUTH="': "tests/program/test_serving.py",
    'curl -H "$AUTH"': "tests/program/test_serving.py",
    'curl -N -m 2 -H "$AUTH"': "tests/program/test_serving.py",
    "benchmarks/serve.py": "tests/program/test_serving.py",
    "main.py 'mqtt://": "tests/sources/test_mqtt.py",
    "main.py 'kafka://": "tests/sources/test_kafka.py",
    "main.py 'prometheus:": "tests/sources/test_prometheus.py",
    "main.py price:": "tests/sources/test_price.py",
    'main.py "duckdb:': "tests/sources/test_duckdb.py",
    'main.py "sqlite:': "tests/sources/test_sqlite.py",
    'main.py "xlsx:': "tests/sources/test_xlsx.py",
    "--view browser": "tests/test_main.py",
    "--detector lstm-autoencoder": "tests/program/test_training.py",
    "model_prod.py --train-on": "tests/program/test_training.py",
    "benchmarks/quality.py": "tests/benchmarks/test_quality.py",
    "benchmarks/speed.py": "tests/benchmarks/test_speed.py",
    "spark_files.py readings judged --once": "tests/engines/test_spark_files.py",
    "spark-submit --master": "tests/engines/test_spark_cluster.py",
    "venv .venv": ".ci/run",
    "source .venv/bin/activate": ".ci/run",
    "pip install -r requirements.txt": ".ci/run",
    "pip install -r docs/requirements.txt": ".ci/run",
    "pip install -r streamforest/requirements": ".ci/run",
    "mkdocs build": ".ci/run",
    "pip install .": ".ci/run",
    "streamforest --max-points": ".ci/run",
    "streamforest replay": "tests/program/test_replay_command.py",
    "streamforest detect-limits": "tests/program/test_detect_limits_command.py",
    "benchmarks/detect_limits.py": "tests/benchmarks/test_detect_limits.py",
    "benchmarks/opinions.py": "tests/benchmarks/test_opinions.py",
    "streamforest --version": "tests/test___main__.py",
    "streamforest --print-completion": "tests/program/test_cli.py",
    "ruff check": ".ci/run",
    "python -m pytest": ".ci/run",
    "python docs/site/generate.py": "tests/test_docs.py",
}

#: Commands that no test can run: a part of the command, and why.
CANNOT = {
    "mail -s": "sends a mail by the machine's own mail program",
    "kcat": "needs kcat and a Kafka broker; what comes out of the pipe is a file of JSON objects, which is tested",
    "git clone": "loads the Numenta Anomaly Benchmark from the network",
    "pip install -r benchmarks/requirements.txt": "installs other libraries, which only the benchmarks compare with",
    "uv pip compile": "resolves the newest versions from the network; .ci/run installs what it wrote",
    "pip-audit": "asks a database of vulnerabilities on the network",
    "cyclonedx-py": "needs a package that neither the program nor its tests need",
    ".ci/lowest": "installs the lowest versions in an environment of its own",
    "spark-submit --packages": "needs Maven's repository and a Kafka broker",
}

#: What only a shell makes sense of, or ends the process; all else of main.py is run in this one: that is quicker.
NEEDS_A_SHELL = re.compile(r"[|&;<>()$`\n]|--help")
#: What a shell does first, and how main.py goes on from there: only that first part is left to a shell.
FIRST_A_SHELL = re.compile(r"(?P<first>.+?) (?P<then>\||&&) (?P<call>python main\.py [^|&;<>()$`\n]+)")
#: Variables without which there is no screen and no wish for colours.
HIDDEN = ("DISPLAY", "WAYLAND_DISPLAY", "FORCE_COLOR", "NO_COLOR")

#: Exactly this command trains the production model: two minutes; .ci/run runs it in the README's first command.
TRAIN = "python model_prod.py"


def is_listed(command):
    return command == TRAIN or any(part in command for part in (*ELSEWHERE, *CANNOT))


def to_run():
    """The commands that are run here, each once; those of the tutorial are a test of their own."""
    found = dict.fromkeys(command for page in PAGES if page != TUTORIAL for command in commands(page))
    return [command for command in found if not is_listed(command)]


@pytest.fixture(scope="module")
def model_path(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "isolation_forest.joblib"
    save_model(model, path)
    return path


@pytest.fixture
def shell(tmp_path, model_path, monkeypatch, capfd):
    """Run a command as a user in a folder with the files that the pages name, without a screen; its output."""
    shutil.copy(model_path, tmp_path)
    rows = [f"2026-01-01T{i // 60:02}:{i % 60:02}:00Z,{20 + i % 7}" for i in range(40)]
    for name in ("readings.csv", "app.csv", "latency.csv", "nyc_taxi.csv"):
        (tmp_path / name).write_text("\n".join(["time,value", *rows, ""]), encoding="utf-8")
    keyed = [f"{row},pump {i % 3}" for i, row in enumerate(rows)]
    (tmp_path / "pumps.csv").write_text("\n".join(["time,value,pump", *keyed, ""]), encoding="utf-8")
    (tmp_path / "streamforest").mkdir()
    (tmp_path / "streamforest" / "requirements").symlink_to(PROJECT / "streamforest" / "requirements")
    for name in HIDDEN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT)}

    def bash(command, **options):
        usual = {"env": os.environ | environment, "stdin": subprocess.DEVNULL, "text": True}
        return subprocess.Popen(["bash", "-o", "pipefail", "-ec", command], **usual | options)

    def shell(command, *options):
        words = ["--model", str(model_path), "--log", "anomaly.log", "--no-visualization", *options]
        if parts := FIRST_A_SHELL.fullmatch(command):
            call = parts["call"]
            if parts["then"] == "&&":
                with bash(parts["first"]) as first:
                    pass
                said = shell(call, *options)
            else:
                with bash(parts["first"], stdout=subprocess.PIPE) as first:
                    done = ran([*MAIN, *words, *shlex.split(call)[2:]], stdin=first.stdout, text=True)
                assert "Traceback" not in done.stderr
                assert done.returncode == 0, done.stderr
                said = done.stdout
            assert first.returncode == 0
            return said
        if command.startswith("python main.py ") and not NEEDS_A_SHELL.search(command):
            code = main.main([*words, *shlex.split(command)[2:]])
            said = capfd.readouterr()
            assert code == 0, said.err
            return said.out
        command = command.replace("python main.py", f"python '{PROJECT}/main.py' {' '.join(words)}")
        with bash(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
            out, err = program.communicate(timeout=120)
        assert "Traceback" not in err
        assert program.returncode == 0, err
        return out

    return shell


def generator():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "site" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Links


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
        assert (PROJECT / target).exists(), f"{page}: {link}"
        if anchor:
            assert anchors(target).count(anchor) == 1, f"{page}: {link}"


def test_headings_have_the_same_anchor_on_a_code_host_and_on_the_site():
    for page in PAGES:
        titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.M | re.S), re.MULTILINE)
        for title in titles:
            assert "  " not in re.sub(r"[^\w\- ]", "", title), f"{page}: {title}"


def test_the_glossary_is_in_order_and_has_each_term_once():
    terms = re.findall(r"^\| ([^|]+?) \| .* \| .*\|$", PAGES["docs/glossary.md"], re.MULTILINE)[1:]
    assert len(terms) > 40
    assert terms == sorted(set(terms), key=str.lower)


def test_every_page_is_in_the_sites_menu():
    menu = (DOCS / "site" / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    shown = re.findall(r"([\w-]+\.md)$", menu, re.MULTILINE)
    assert sorted(shown) == sorted(Path(page).name for page in PAGES)


# What is made from the code


def test_generated_parts_are_what_the_generator_gives():
    made = generator()
    for page in {page for page, _ in made.PARTS}:
        shown = (DOCS / page).read_text(encoding="utf-8")
        assert made.filled(page, shown) == shown, f"docs/{page} is out of date: run python docs/site/generate.py"


def test_a_page_without_a_place_for_a_generated_part_is_named():
    with pytest.raises(ValueError, match=r"docs/detectors.md has no place for 'detectors'"):
        generator().filled("detectors.md", "# Detectors\n")


def test_every_option_stands_on_the_page_of_options():
    for option in OPTIONS:
        name = option.name if option.only_in_settings else option.flag
        assert f"`{name}" in PAGES["docs/options.md"], name


def test_every_module_is_in_the_file_map():
    modules = [*PROJECT.glob("*.py"), *(PROJECT / "streamforest").rglob("*.py"), *PROJECT.glob("benchmarks/*.py")]
    shown = re.findall(r"^\| `([\w/]+\.py)` \|", PAGES["docs/architecture.md"], re.MULTILINE)
    assert sorted(shown) == sorted(path.relative_to(PROJECT).as_posix() for path in modules)


def test_every_option_of_the_training_stands_on_its_page():
    done = subprocess.run(
        [sys.executable, PROJECT / "model_prod.py", "--help"], capture_output=True, text=True, check=True
    )
    for flag in set(re.findall(r"--[a-z-]+", done.stdout)) - {"--help"}:
        assert f"`{flag}" in PAGES["docs/models.md"], flag


# Commands


def test_the_lists_of_commands_hold_what_is_there():
    every = [command for page in PAGES for command in commands(page)]
    for part in (*ELSEWHERE, *CANNOT):
        assert any(part in command for command in every), f"no command with {part!r}: take it off the list"
    for test in ELSEWHERE.values():
        assert (PROJECT / test).is_file(), test


@pytest.mark.parametrize("command", to_run())
def test_a_command_does_what_it_says(command, shell):
    if "| jq" in command and shutil.which("jq") is None:
        pytest.skip("needs jq")
    if "--holidays" in command:
        pytest.importorskip("holidays", reason="needs streamforest/requirements/holidays.txt")
    if "main.py cpu" in command:
        pytest.importorskip("psutil", reason="needs psutil: streamforest/requirements/system.txt")
    shell(command, "--max-points", "3" if "main.py cpu" in command else "30", "--delay", "0")


def calls_of_main():
    """The words behind main.py in every command, those inside a line of text and those that are not run too."""
    for page in PAGES:
        inside = re.findall(r"`([^`\n]*python main\.py[^`\n]*)`", PAGES[page])
        for command in [*commands(page), *(text.replace("\\|", "|") for text in inside)]:
            for call in re.findall(r"python main\.py((?: [^|>&;\n'\"]+|'[^']*'|\"[^\"]*\")*)", command):
                yield shlex.split(call)


def test_every_call_of_main_has_options_that_it_knows():
    calls = list(calls_of_main())
    assert len(calls) > 60
    for words in calls:
        if "--help" not in words:
            read_options(words, vars(settings), PROJECT, program="main.py", description="")


def test_every_script_that_is_named_is_there():
    for page in PAGES:
        for path in re.findall(r"python\s+([\w/]+\.py)", PAGES[page]):
            assert (PROJECT / path).is_file(), f"{page}: {path}"


def test_the_tutorial_can_be_followed_from_its_start_to_its_end(shell, tmp_path):
    outputs = {command: shell(command) for command in commands(TUTORIAL) if not is_listed(command)}

    def output(part):
        *_, found = [text for command, text in outputs.items() if part in command]
        return found

    quiet = outputs["python main.py power.csv --delay 0 --format quiet"].splitlines()
    assert "900.00" in quiet[0]
    assert quiet[0].endswith("spike: 900, expected 306.01 ± 4.74")
    assert output("head -n 2").splitlines()[1].startswith("900,")
    assert (tmp_path / "page.html").stat().st_size > 10_000
    assert '"value":900.0' in output("cat alarm.json")
    assert output("--minimum-deviation 1000") == ""
    assert output("wc -l").split()[0] == "1000"
    assert output("StreamDetector").startswith("True spike: 35, expected ")


# Examples in Python


@pytest.mark.parametrize("page", PAGES)
def test_every_python_example_is_python(page):
    for code in blocks(page, "python"):
        compile(code, page, "exec")


def test_the_first_python_example_runs(model_path, tmp_path, monkeypatch):
    shutil.copy(model_path, tmp_path)
    monkeypatch.chdir(tmp_path)
    for page in ("README.md", "docs/python-api.md"):
        names = {"values": np.arange(50.0), "stream_ids": np.arange(50) % 3, "times": np.arange(50.0)}
        for code in blocks(page, "python"):
            exec(code, names)
        assert len(names["verdicts"]) == 50


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("code", blocks("docs/libraries.md", "python"), ids=lambda code: code.split()[1])
def test_the_examples_with_other_libraries_run(code):
    for library in re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE):
        pytest.importorskip(library)
    names = {}
    exec(code, names)
    if "anomalies" in names:
        assert len(names["verdicts"]) == 40
    if "decisions" in names:
        assert names["decisions"].tolist() == [1, -1]
    if "again" in names:
        wanted = names["detectors"].update(["pump 1", "pump 2"], [21.6, 3.1])
        assert names["verdicts"].tobytes() == wanted.tobytes()


def example(mark):
    (code,) = [code for code in blocks("docs/extending.md", "python") if mark in code]
    names = {}
    exec(code, names)
    return names


def test_the_example_of_a_source_is_a_source(tmp_path):
    path = tmp_path / "temp"
    path.write_text("21.5\n", encoding="utf-8")
    source: Source = example("class ProbeSource")["ProbeSource"](str(path), 0.01)
    stop = StopFlag()
    blocks_read = source.read(stop, 100)
    first = next(blocks_read)
    path.unlink()
    second = next(blocks_read)
    stop.request()
    assert list(blocks_read) == []
    stop.close()
    source.close()
    assert [type(reading) for reading in first + second] == [Reading, Reading]
    assert (first[0].value, second[0].value) == ("21.5", None)
    assert str(path) in source.describe()


def test_the_example_of_a_sink_is_a_sink(tmp_path, model):
    path = tmp_path / "starts.txt"
    sink: Sink = example("class EpisodeStartSink")["EpisodeStartSink"](path)
    values = np.random.default_rng(1).normal(size=400)
    values[[300, 390]] = 50.0, -60.0
    sink.write(StreamDetector(model).update_many(values))
    sink.close()
    lines = path.read_text(encoding="utf-8").splitlines()
    assert "1 50.0" in lines
    assert len({line.split()[0] for line in lines}) == len(lines)


def test_the_example_of_a_detector_is_a_detector():
    make = example("class MeanVectorDetector")["MeanVectorDetector"]
    detector: Detector = make(0.01)
    values = np.random.default_rng(1).normal(size=600)
    values[500] = 60.0
    verdicts = detector.update_many(values[:400])
    other = make(0.01)
    other.restore(detector.state())
    rest = detector.update_many(values[400:])
    assert other.update_many(values[400:]).tobytes() == rest.tobytes()
    assert rest["is_anomaly"][100]
    assert np.isnan(verdicts["score"][:24]).all()
