import re
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.protocols import VERDICT_DTYPE, Status
from streamforest.views.exposition import exposition

STATUS = Status("pump.csv", "forest", ("forest",), 1234, 5, 6, 7, 2, 9.5, 0.001, 0.0012, 0.5, 0.75, 1.0, 3.0)
STATUS = STATUS._replace(seconds_since_last_point=0.25)
UNKNOWN = Status("pump.csv", "forest", ("forest",), 0, 0, 0, 0, 0, 0.0, 0.001, None, None, None, 0.0)
SAMPLE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')


def newest(**fields):
    row = np.zeros(1, VERDICT_DTYPE)
    for name, number in fields.items():
        row[name] = number
    return row


NOTHING = np.zeros(0, VERDICT_DTYPE)


def read(text):
    """Name -> number, of text in the format; every line must be of it."""
    found = {}
    for line in text.decode().removesuffix("\n").split("\n"):
        if not line.startswith(("# HELP streamforest_", "# TYPE streamforest_")):
            name, _, number = SAMPLE.fullmatch(line).groups()
            found[name.removeprefix("streamforest_")] = float(number)
    return found


def test_every_number_of_the_run_is_there():
    found = read(exposition(STATUS, newest(value=-1e300, score=0.25, threshold=0.5, is_anomaly=True), "1.2"))
    assert found == {
        "points_total": 1234,
        "refused_readings_total": 5,
        "missing_readings_total": 6,
        "anomalous_points_total": 7,
        "episodes_total": 2,
        "alarm_rate_asked": 0.001,
        "alarm_rate_got": 0.0012,
        "alarms_a_day_asked": 3,
        "precision": 0.5,
        "recall": 0.75,
        "warm_up": 1,
        "points_per_second": 9.5,
        "last_point_age_seconds": 0.25,
        "value": -1e300,
        "expected": 0,
        "lower": 0,
        "upper": 0,
        "score": 0.25,
        "threshold": 0.5,
        "is_anomaly": 1,
        "run_info": 1,
        "build_info": 1,
    }


def test_what_is_not_known_yet_is_left_out_and_never_0():
    names = read(exposition(UNKNOWN, NOTHING, "1.2"))
    assert not {"value", "score", "alarm_rate_got", "last_point_age_seconds"} & set(names)
    warming = read(exposition(UNKNOWN, newest(value=3.5, score=np.nan, threshold=np.nan), "1.2"))
    assert warming["value"] == 3.5
    assert not {"score", "threshold"} & set(warming)


@given(st.text(), st.floats(allow_nan=False))
def test_any_name_and_number_are_written_so_that_they_read_back(source, number):
    text = exposition(STATUS._replace(source=source), newest(value=number), "1.2")
    assert read(text)["value"] == number
    line = next(line for line in text.decode().split("\n") if line.startswith("streamforest_run_info{"))
    shown = re.search(r'source="((?:[^"\\]|\\.)*)"', line)[1]
    unescaped = re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), shown)
    assert unescaped == source.encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize("status", [STATUS, UNKNOWN], ids=["known", "unknown"])
def test_prometheus_own_tool_finds_no_fault(status):
    if shutil.which("promtool") is None:
        pytest.skip("needs promtool: apt install prometheus")
    status = status._replace(happened={"start": 5, "worse": 1, "end": 3}, messages=(("a", 7, 2, 1), ("b", 0, 0, 0)))
    for rows in (NOTHING, newest(value=np.inf, score=0.5)):
        text = exposition(status._replace(source='a "b"\\\n{c}'), rows, "1.2")
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_what_happened_to_episodes_and_to_messages_about_them_is_told_with_labels():
    happened = {"start": 5, "worse": 1, "end": 3}
    text = exposition(STATUS._replace(happened=happened, messages=(("a", 7, 2, 1), ("b", 0, 0, 0))), NOTHING, "1")
    lines = [line for line in text.decode().splitlines() if "episode" in line or "messages" in line]
    assert "streamforest_episodes_open 2" in lines
    assert 'streamforest_episode_events_total{event="worse"} 1' in lines
    assert lines.index('streamforest_messages_waiting{address="a"} 2') + 1 == lines.index(
        'streamforest_messages_waiting{address="b"} 0'
    )
    assert 'streamforest_messages_undelivered_total{address="a"} 1' in lines
    assert sum(line.startswith("# TYPE streamforest_messages_delivered_total") for line in lines) == 1


def test_streams_are_told_where_there_are_many():
    assert read(exposition(STATUS._replace(streams=7), NOTHING, "1"))["streams"] == 7
    assert "streams" not in read(exposition(STATUS, NOTHING, "1"))
