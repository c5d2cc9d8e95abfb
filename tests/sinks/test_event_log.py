import os
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamforest.protocols import STREAM_VERDICT_DTYPE, VERDICT_DTYPE, verdict_from_row
from streamforest.sinks.event_log import EventLogSink, _is_own
from streamforest.stream_names import StreamNames
from streamforest.verdicts.life import episode_id
from tests.sinks.test_episode_lines import incidents_found

NOON = 1714564800.0  # 2024-05-01T12:00:00Z


def verdicts_of(text, first=0, episode=1):
    """One verdict a letter; ``!`` is an anomalous one."""
    verdicts = np.zeros(len(text), VERDICT_DTYPE)
    verdicts["index"] = np.arange(first, first + len(text))
    verdicts["time"] = NOON + verdicts["index"]
    verdicts["label"] = -1
    verdicts["score"] = 0.5 + verdicts["index"] / 100
    verdicts["threshold"] = 0.45
    verdicts["expected"], verdicts["lower"], verdicts["upper"] = 1, 0, 2
    is_anomaly = np.array([letter == "!" for letter in text])
    verdicts["value"] = np.where(is_anomaly, 10 * verdicts["index"], 1)
    verdicts["p_value"] = np.where(is_anomaly, 0.0005, 0.5)
    verdicts["is_anomaly"], verdicts["reason"] = is_anomaly, is_anomaly
    verdicts["episode"] = np.where(is_anomaly, episode, 0)
    return verdicts


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_an_episode_is_a_line_at_its_start_and_one_at_its_end(tmp_path):
    path = tmp_path / "anomaly.log"
    sink = EventLogSink(path, 10**6, 3)
    sink.write(verdicts_of("..!"))
    name = episode_id("", None, verdict_from_row(verdicts_of("..!").tolist()[2]))
    assert lines_of(path) == [
        "2024-05-01T12:00:02.000Z start episode=1 index=2 value=20 expected=1 score=0.52 threshold=0.45 "
        f'p_value=0.0005 reason="spike: 20, expected 1 +- 1" id={name}'
    ]
    sink.write(verdicts_of("!.......", first=3))
    assert lines_of(path)[1:] == [
        "2024-05-01T12:00:03.000Z end episode=1 index=3 value=30 expected=1 score=0.53 threshold=0.45 p_value=0.0005 "
        'reason="spike: 30, expected 1 +- 1" points=2 peak_time=2024-05-01T12:00:03.000Z peak_index=3 peak_value=30 '
        "peak_expected=1 peak_score=0.53 peak_threshold=0.45 peak_p_value=0.0005 "
        f'peak_reason="spike: 30, expected 1 +- 1" id={name}'
    ]
    sink.close()
    assert len(lines_of(path)) == 2


def test_the_end_is_told_after_as_many_normal_points_as_the_cool_down_and_one_more(tmp_path):
    path = tmp_path / "anomaly.log"
    sink = EventLogSink(path, 10**6, 3, cool_down=2)
    sink.write(verdicts_of("!.."))
    assert len(lines_of(path)) == 1
    sink.write(verdicts_of(".", first=3))
    assert len(lines_of(path)) == 2
    sink.close()


def test_an_episode_that_becomes_worse_has_a_line_with_its_peak(tmp_path):
    path = tmp_path / "anomaly.log"
    sink = EventLogSink(path, 10**6, 3, source="pump.csv")
    rows = verdicts_of("!!!")
    rows["value"] = [20, 30, 50]
    sink.write(rows)
    start, worse = lines_of(path)
    assert worse.startswith("2024-05-01T12:00:02.000Z worse episode=1 index=2 value=50 ")
    assert " points=3 peak_time=2024-05-01T12:00:02.000Z peak_index=2 peak_value=50 " in worse
    assert worse.rpartition(" id=")[2] == start.rpartition(" id=")[2]
    sink.close()


def test_unknown_numbers_and_times_are_dashes(tmp_path):
    verdicts = verdicts_of("!")
    for name in ("time", "value", "expected"):
        verdicts[name] = np.nan
    sink = EventLogSink(tmp_path / "anomaly.log", 10**6, 3)
    sink.write(verdicts)
    sink.close()
    assert lines_of(tmp_path / "anomaly.log")[0].startswith("- start episode=1 index=0 value=- expected=- score=0.5 ")


def test_closing_ends_the_open_episode_once(tmp_path):
    sink = EventLogSink(tmp_path / "anomaly.log", 10**6, 3)
    sink.write(verdicts_of("!"))
    sink.close()
    sink.close()
    assert [line.split()[1] for line in lines_of(tmp_path / "anomaly.log")] == ["start", "end"]


def test_lines_are_added_to_what_is_there(tmp_path):
    path = tmp_path / "anomaly.log"
    path.write_text("before\n", encoding="utf-8")
    sink = EventLogSink(path, 10**6, 3)
    sink.write(verdicts_of("!"))
    sink.close()
    assert lines_of(path)[0] == "before"


def test_the_log_is_rotated_by_size_and_old_files_go(tmp_path):
    sink = EventLogSink(tmp_path / "anomaly.log", 1000, 2)
    for episode in range(1, 30):
        sink.write(verdicts_of("!......", first=7 * episode, episode=episode))
    sink.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["anomaly.log", "anomaly.log.1", "anomaly.log.2"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    assert lines_of(tmp_path / "anomaly.log")[-1].split()[1:3] == ["end", "episode=29"]


def test_a_folder_that_is_not_there_is_an_error_at_once(tmp_path):
    with pytest.raises(FileNotFoundError):
        EventLogSink(tmp_path / "gone" / "anomaly.log", 10**6, 3)


def test_a_folder_that_goes_away_is_an_error_at_the_next_rotation(tmp_path, capsys):
    folder = tmp_path / "logs"
    folder.mkdir()
    sink = EventLogSink(folder / "anomaly.log", 100, 3)
    sink.write(verdicts_of("!"))
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    with pytest.raises(OSError, match="No such file"):
        sink.write(verdicts_of("!", first=100, episode=2))
    with pytest.raises(OSError, match="No such file"):
        sink.close()
    assert capsys.readouterr().err == ""


def test_a_full_disk_is_an_error_and_not_a_traceback_from_logging(capsys):
    try:
        sink = EventLogSink("/dev/full", 10**6, 3)
    except OSError:
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError, match="No space left"):
        sink.write(verdicts_of("!"))
    with pytest.raises(OSError, match="No space left"):
        sink.close()
    assert capsys.readouterr().err == ""


def test_of_many_streams_each_line_has_its_key_quoted_and_escaped(tmp_path):
    names = StreamNames()
    rows = np.zeros(4, STREAM_VERDICT_DTYPE)
    rows["stream"] = names.numbers_of(["a b", "x\n2024 start", "a b", "x\n2024 start"])
    rows["index"], rows["time"], rows["is_anomaly"], rows["episode"], rows["reason"] = [0, 0, 1, 1], NOON, True, 1, 1
    path = tmp_path / "anomaly.log"
    sink = EventLogSink(path, 10**6, 3, names=names)
    sink.write(rows)
    sink.close()
    heads = [line.split(" ", 1)[1].split(" episode=1 index=")[0] for line in lines_of(path)]
    assert heads == ["start key='a b'", r"start key='x\n2024 start'", "end key='a b'", r"end key='x\n2024 start'"]


def episodes_of(n):
    return [verdicts_of("!......", first=7 * episode, episode=episode) for episode in range(1, n + 1)]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["write", "write", "write", "checkpoint", "kill"]), max_size=40), st.integers(1, 3))
def test_every_episode_stands_there_once_however_often_it_is_killed(tmp_path_factory, steps, files):
    whole, folder = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("killed")
    blocks = [verdicts[:part] for verdicts in episodes_of(15) for part in (4, 7)]
    blocks = [verdicts[3:] if len(verdicts) == 7 else verdicts for verdicts in blocks]
    sink = EventLogSink(whole / "log", 1000, files)
    for block in blocks:
        sink.write(block)
    sink.close()
    sink, at = EventLogSink(folder / "log", 1000, files), 0
    kept = sink.state(), at
    with ExitStack() as killed:
        for step in steps:
            if step == "write" and at < len(blocks):
                sink.write(blocks[at])
                at += 1
            elif step == "checkpoint":
                kept = sink.state(), at
            elif step == "kill":
                killed.callback(sink.close)  # it writes once more, but only when all is looked at
                sink, at = EventLogSink(folder / "log", 1000, files), kept[1]
                assert sink.restore(kept[0], cut=True) == ""
        for block in blocks[at:]:
            sink.write(block)
        sink.close()
        assert content(folder) == content(whole)


def test_files_that_a_checkpoint_knows_outlive_any_number_of_rotations(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    gone = []
    for folder in (whole, killed):
        folder.mkdir()
        sink = EventLogSink(folder / "log", 1000, 2)
        for block in episodes_of(3):
            sink.write(block)
        state, then = sink.state(), content(folder)
        for block in episodes_of(40)[3:]:
            sink.write(block)
        if folder is killed:
            gone.append(sink)
            sink = EventLogSink(folder / "log", 1000, 2)
            assert sink.restore(state, cut=True) == ""
            assert content(folder) == then
            for block in episodes_of(40)[3:]:
                sink.write(block)
        sink.close()
    assert content(killed) == content(whole)
    assert sorted(content(whole)) == ["log", "log.1", "log.2"]
    gone[0].close()


@pytest.fixture
def open_log():
    """Open a log; it is closed at the end."""
    opened = []

    def open_log(path):
        opened.append(EventLogSink(path, 10**6, 3))
        return opened[-1]

    yield open_log
    for sink in opened:
        sink.close()


def test_a_log_that_others_rotated_is_told_and_left_alone(tmp_path, open_log):
    path = tmp_path / "anomaly.log"
    sink = open_log(path)
    sink.write(verdicts_of("!"))
    state = sink.state()
    path.rename(tmp_path / "anomaly.log.1")
    path.write_text("another program's line\n", encoding="utf-8")
    before = content(tmp_path)
    second = open_log(path)
    assert "lines may stand there twice" in second.restore(state, cut=True)
    assert content(tmp_path) == before
    second.close()
    assert [line.split()[1] for line in lines_of(path)] == ["program's", "end"]


def test_nothing_is_taken_back_where_it_will_not_come_again(tmp_path, open_log):
    path = tmp_path / "anomaly.log"
    sink = open_log(path)
    state = sink.state()
    sink.write(verdicts_of("!"))
    before = content(tmp_path)
    assert open_log(path).restore(state, cut=False) == ""
    assert content(tmp_path) == before


def test_a_log_that_is_no_file_has_nothing_to_take_back(tmp_path, open_log):
    sink = open_log(os.devnull)
    sink.write(verdicts_of("!"))
    assert open_log(tmp_path / "anomaly.log").restore(sink.state(), cut=True) == ""


def test_an_incident_across_streams_is_a_line_with_all_of_its_keys(tmp_path):
    incidents, names, rows = incidents_found()
    path = tmp_path / "anomaly.log"
    sink = EventLogSink(path, 10**6, 3, names=names, source="fleet.csv", incidents=incidents)
    for part in np.split(rows, 30):
        incidents.write(part)
        sink.write(part)
    sink.close()
    (line,) = [line for line in lines_of(path) if " incident streams=" in line]
    assert " first='s7' sure=" in line
    assert "keys='s7'," in line
    assert line.split("id=")[1] == incidents.kept[0].id
    assert _is_own(path, 0)
