import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamforest.program import cli
from streamforest.storage.case_file import FACTS, PICTURE, POINTS, STATE, VERDICTS, case_bytes, read_case
from streamforest.storage.checkpoint import Saved, as_blocks, parse
from tests.chosen import run_of
from tests.program.test_cases import Judged
from tests.programs import MAIN, ran

FOREST = ("--detector", "isolation-forest", "--model", str(cli.SHIPPED["MODEL"]))


def replay(*words):
    return cli.main(["replay", *map(str, words)], "streamforest")


def case_of(folder, *options):
    with run_of("--alarm-rate", "0.0001", *options) as run:
        path = folder / "case.zip"
        path.write_bytes(Judged(run).cases.make(2950))
        return path


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return read_case(case_of(tmp_path_factory.mktemp("case")))


@pytest.fixture
def changed(parts, tmp_path):
    """A case with other parts, and what changes the facts of one."""

    def write(**others):
        named = {"facts": FACTS, "points": POINTS, "state": STATE, "verdicts": VERDICTS}
        path = tmp_path / "changed.zip"
        path.write_bytes(case_bytes(parts | {named[name]: content for name, content in others.items()}))
        return path

    return write


def with_facts(parts, **others):
    return json.dumps(json.loads(parts[FACTS]) | others).encode()


@pytest.mark.parametrize(
    "options",
    [(), FOREST, ("--direction", "up", "--cool-down", "1", "--alarms-a-day", "3")],
    ids=["z-score", "forest", "rules"],
)
def test_a_case_is_replayed_to_the_same_bits(options, tmp_path, capsys):
    path = case_of(tmp_path, *options)
    assert replay(path, "--format", "json") == 0
    printed = capsys.readouterr()
    assert "every verdict has the same bits" in printed.err
    assert "made and replayed by streamforest" in printed.err
    assert printed.out.encode() == read_case(path)[VERDICTS]


@pytest.mark.parametrize("how", [("--compare", "z-score,isolation-forest"), ("--detector", "isolation-forest")])
def test_a_run_makes_a_case_of_each_episode_and_each_is_replayed_to_the_same_bits(how, tmp_path, capsys):
    values = np.random.default_rng(7).normal(20, 1, 2500)
    values[[1500, 2495]] = 90.0
    (tmp_path / "pump.csv").write_text("value\n" + "\n".join(map(str, values.tolist())), encoding="utf-8")
    words = ("pump.csv", "--delay", "0", "--no-visualization", "--log", "none", "--format", "quiet")
    words = (tmp_path / words[0], *words[1:], "--alarm-rate", "0.0001", "--case-on-anomaly", tmp_path / "cases", *how)
    done = ran([*MAIN, *words], text=True)
    assert done.returncode == 0, done.stderr
    found = sorted((tmp_path / "cases").iterdir())
    assert len(found) >= 2
    for path in found:
        assert replay(path) == 0
        assert "every verdict has the same bits" in capsys.readouterr().err
        assert read_case(path)[PICTURE].startswith(b"\x89PNG")


def test_a_case_of_another_version_is_replayed_and_both_are_told(parts, changed, capsys):
    facts = with_facts(parts, versions={"streamforest": "0.9", "Python": "3.4", "numpy": "1.0", "machine": "m68k"})
    assert replay(changed(facts=facts)) == 0
    said = capsys.readouterr().err
    assert "made by streamforest 0.9, Python 3.4, numpy 1.0, machine m68k; replayed by streamforest " in said
    assert "every verdict has the same bits" in said


def test_a_state_of_another_version_is_replaced_by_a_fresh_detector_and_that_is_told(parts, changed, capsys):
    saved = parse(parts[STATE])
    fewer = {name: array for name, array in saved.state.items() if "records" not in name}
    assert replay(changed(state=b"".join(as_blocks(Saved({}, fewer))))) == 1
    said = capsys.readouterr().err
    assert "does not fit this version" in said
    assert "between the ends of the episode 2 points are anomalous now" in said


def test_verdicts_that_differ_are_told_and_the_exit_code_says_so(parts, changed, capsys):
    lines = parts[VERDICTS].splitlines(keepends=True)
    lines[7] = lines[7].replace(b'"score":', b'"score":1')
    assert replay(changed(verdicts=b"".join(lines))) == 1
    first = json.loads(lines[0])["index"]
    assert f"1 verdicts differ, the first at point {first + 7:,}" in capsys.readouterr().err


def test_another_model_is_told(tmp_path, capsys):
    forest = read_case(case_of(tmp_path, *FOREST))
    path = tmp_path / "other.zip"
    path.write_bytes(case_bytes(forest | {FACTS: with_facts(forest, models={"MODEL": "another"})}))
    assert replay(path) == 0
    assert "is another model than the case's" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--format", "json"], ["gone.zip"], ["case.zip", "--delay", "3"]])
def test_what_cannot_be_done_is_said_in_one_line(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert replay(*words) == (1 if words == ["gone.zip"] else 2)
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"DETECTOR": "rm"}, "DETECTOR"),
        ({"DETECTOR": "list"}, "judges nothing"),
        ({"ALARM_RATE": 9}, "ALARM_RATE"),
        ({"COMPARE": "a,\x1b[2J"}, "COMPARE"),
        ({"ON_ANOMALY": "touch x"}, "ON_ANOMALY"),
        ({"MODEL": "/etc/passwd"}, "MODEL"),
    ],
)
def test_settings_from_outside_are_checked_like_anybodys_and_no_other_ones_taken(parts, changed, capsys, settings, why):
    assert replay(changed(facts=with_facts(parts, settings=settings))) == 1
    said = capsys.readouterr().err
    assert "has settings that cannot be used" in said
    assert why in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    "points",
    [
        b"",
        b"index,time,value,label\n",
        b"time,value\n1,2\n",
        b"index,time,value,label\n0,,inf,\n",
        b"index,time,value,label\n0,,1,\n2,,1,\n",
        b"index,time,value,label\n-1,,1,\n",
        b"index,time,value,label\n0,5,1,\n1,4,1,\n",
        b"index,time,value,label\n0,1e300,1,\n",
        b"index,time,value,label\n0,,1,nonsense\n",
        b"index,time,value,label\n0,1\n",
        b"\xff\xfe",
        b'"' + b"x" * 200_000,
    ],
)
def test_points_that_no_stream_has_are_refused(changed, points, capsys):
    assert replay(changed(points=points)) == 1
    assert "is damaged: its points.csv" in capsys.readouterr().err


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = ["case", "made", "versions", "source", "episode", "settings", "models"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(NAMES), json_values, min_size=1))
def test_forged_facts_crash_nothing(parts, changed, capsys, others):
    assert replay(changed(facts=with_facts(parts, **others))) in (0, 1)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert all(line.isprintable() for line in said.split("\n"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_forged_state_crashes_nothing(parts, changed, capsys, damage):
    import hashlib  # noqa: PLC0415

    state = bytearray(parts[STATE][:-32])
    for share, byte in damage:
        state[int(share * len(state))] = byte
    assert replay(changed(state=bytes(state) + hashlib.sha256(state).digest())) in (0, 1)
    assert "Traceback" not in capsys.readouterr().err


def test_nothing_of_a_case_is_written_to_the_disk(parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = io.BytesIO(case_bytes(parts))
    with zipfile.ZipFile(file, "a") as case:
        case.writestr("../escaped.txt", b"x")
    (tmp_path / "case.zip").write_bytes(file.getvalue())
    assert replay("case.zip") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["case.zip"]
    assert not (tmp_path.parent / "escaped.txt").exists()
