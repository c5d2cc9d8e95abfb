import threading
import time
from collections import deque
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamforest import watch
from streamforest.actions import Actions
from streamforest.detectors.z_score import ZScoreDetector
from streamforest.history import History
from streamforest.metrics import RunCounts
from streamforest.protocols import SourceError
from streamforest.sinks.report import RecentReport
from streamforest.stop import StopFlag
from streamforest.switch import DetectorSwitch
from streamforest.watch import Output, Watch, write_new


class ScriptedView:
    """A view whose user does one thing at each poll."""

    name = "scripted"

    def __init__(self, *script):
        self.is_open = True
        self.commands = []
        self.polls = 0
        self._script = list(script)

    def poll(self, _seconds):
        assert self.is_open
        self.polls += 1
        if self._script:
            self._script.pop(0)()
        time.sleep(0.001)  # lets the worker in, as a toolkit's event loop does

    def command(self, name):
        self.commands.append(name)

    def close(self):
        self.is_open = False


class Keys:
    def __init__(self, ask, *names):
        self._ask = ask
        self._names = list(names)
        self.closed = 0

    def descriptors(self):
        return ()

    def poll(self):
        if self._names:
            self._ask(self._names.pop(0))

    def close(self):
        self.closed += 1


class Bench:
    """A Watch with real parts around it."""

    def __init__(self, folder, report=None):
        self.said = []
        self.stop, self.actions = StopFlag(), Actions()
        self.history, self.anomalies, self.counts = History(1000), RecentReport(), RunCounts(0.05)
        self.switch = DetectorSwitch(
            ZScoreDetector(0.05), ("z-score",), lambda _: ZScoreDetector(0.05), self.history.newest, self.said.append
        )
        output = Output(folder / "pictures", "dark", {"Source": "a test"}, report, folder)
        self.watch = Watch(
            self.history, self.anomalies, self.status, self.actions, self.stop, self.switch, output, self.said.append
        )

    def status(self):
        return self.counts.status("s", self.switch.name, self.switch.names, 1)

    def judge(self, n=500):
        values = np.random.default_rng(1).normal(size=n)
        values[100] = 30
        verdicts = self.switch.update_many(values)
        for sink in (self.counts.add, self.history.write, self.anomalies.write):
            sink(verdicts)

    def judge_until_stopped(self):
        self.judge()
        assert self.stop.wait(30)

    def ask(self, name):
        return lambda: self.actions.ask(name)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "WAIT", 0.01)  # scripted keys wake nobody
    bench = Bench(tmp_path)
    yield bench
    bench.watch.close()
    bench.actions.close()
    bench.stop.close()


def test_the_run_is_in_a_thread_of_its_own_and_its_error_comes_back(bench):
    threads = []

    def judge():
        threads.append(threading.current_thread())
        raise SourceError("broken")

    with pytest.raises(SourceError, match="broken"):
        bench.watch.during(judge)
    assert threads != [threading.main_thread()]


def test_a_run_that_ends_ends_the_wait_at_once(bench):
    began = time.monotonic()
    bench.watch.during(lambda: None)
    assert time.monotonic() - began < 0.4


def test_an_error_in_the_view_stops_the_run_and_is_not_hidden(bench):
    bench.watch.show(ScriptedView(lambda: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        bench.watch.during(bench.judge_until_stopped)


def test_commands_go_to_the_view_and_stop_ends_the_run(bench):
    view = ScriptedView(bench.ask("pause"), bench.ask("detector:none"), bench.ask("help"), bench.ask("stop"))
    bench.watch.show(view)
    bench.watch.during(bench.judge_until_stopped)
    assert view.commands == ["pause", "help"]
    assert bench.said == ["detector is 'none'; it must be one of z-score"]


@pytest.mark.parametrize("how", ["key", "window"])
def test_a_view_that_is_closed_is_left_alone_and_the_run_goes_on(bench, how):
    view = ScriptedView()
    view._script = [bench.ask("unwatch") if how == "key" else view.close]
    keys = Keys(bench.actions.ask, *["pause"] * 5, "next-detector", "stop")
    bench.watch.show(view)
    bench.watch.hear(keys)
    bench.watch.during(bench.judge_until_stopped)
    assert (view.is_open, view.polls) == (False, 1)
    assert bench.said == ["the picture is closed, the run goes on; Ctrl+C ends it", "there is no detector but z-score"]
    bench.watch.close()
    assert keys.closed == 1


def test_a_display_that_is_gone_is_not_touched_again(bench):
    view = ScriptedView()
    view.close = view.poll = lambda *_: pytest.fail("touched")
    bench.watch.show(view)
    bench.watch.lose_display()
    bench.watch.during(bench.judge)
    bench.watch.close()
    assert bench.said == ["the display is gone, the run goes on without it; Ctrl+C ends it"]


def test_one_press_is_one_picture_with_what_it_tells_of_the_run(bench, tmp_path):
    keys = Keys(bench.actions.ask, "snapshot", "snapshot", "snapshot", "stop")
    bench.watch.hear(keys)
    bench.watch.during(bench.judge_until_stopped)
    pictures = list((tmp_path / "pictures").iterdir())
    assert len(pictures) == 1
    assert f"picture saved: {pictures[0]}" in bench.said
    with Image.open(pictures[0]) as picture:
        assert picture.size == (1280, 800)
        assert picture.text["Source"] == "a test"
        assert picture.text["Range of points"] == "0 to 499"


def test_each_episode_gets_a_picture_around_it_though_they_end_all_at_once(bench, tmp_path):
    def judge():
        bench.judge(900)
        for peak in (100, 450, 850):
            bench.watch.end_episode(peak)

    bench.watch.during(judge)
    ranges = []
    for path in sorted((tmp_path / "pictures").iterdir()):
        with Image.open(path) as picture:
            ranges.append([int(number) for number in picture.text["Range of points"].replace(",", "").split(" to ")])
    assert sorted(ranges) == [[0, 499], [200, 699], [400, 899]]


def test_episodes_that_cannot_be_drawn_in_time_are_counted(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(bench.watch, "_episodes", deque(maxlen=2))
    monkeypatch.setattr(watch, "MOST_EPISODES", 2)

    def judge():
        bench.judge(1500)  # the history keeps 1000 of them
        for peak in (100, 450, 1200):
            bench.watch.end_episode(peak)

    bench.watch.during(judge)
    assert len(list((tmp_path / "pictures").iterdir())) == 1
    assert bench.said[-1] == "2 episodes have no picture: they ended faster than pictures can be drawn"


def test_a_stop_does_not_wait_for_pictures_of_episodes(bench, tmp_path):
    def judge():
        bench.judge()
        bench.stop.request()
        for peak in range(0, 500, 10):
            bench.watch.end_episode(peak)

    bench.watch.during(judge)
    assert len(list((tmp_path / "pictures").glob("*"))) <= 1
    assert "episodes have no picture" in bench.said[-1]


def test_a_picture_that_cannot_be_saved_is_told_and_the_run_goes_on(bench, tmp_path):
    (tmp_path / "pictures").write_text("in the way", encoding="utf-8")
    bench.actions.ask("snapshot")
    bench.watch.during(bench.judge)
    assert len(bench.said) == 1
    assert bench.said[0].startswith("cannot save a picture in ")


def test_the_report_is_written_beside_older_ones_or_is_where_it_is(bench, tmp_path):
    for _ in range(2):
        bench.actions.ask("report")
    bench.watch.during(bench.judge)
    reports = sorted(tmp_path.glob("report-*.csv"))
    assert len(reports) == 2
    written = Bench(tmp_path, report=Path("out.csv"))
    written.actions.ask("report")
    written.watch.during(written.judge)
    assert written.said == ["the report is written while the run goes on: out.csv"]
    assert len(list(tmp_path.glob("report-*.csv"))) == 2
    written.actions.close()
    written.stop.close()


def test_a_report_that_cannot_be_written_is_told(bench, tmp_path):
    tmp_path.joinpath("gone").mkdir()
    bench.watch.output = Output(tmp_path, "light", {}, None, tmp_path / "gone" / "away")
    bench.actions.ask("report")
    bench.watch.during(bench.judge)
    assert bench.said == [f"no report: {tmp_path / 'gone' / 'away'}: No such file or directory"]


def test_names_of_reports_that_are_taken_get_a_number(tmp_path):
    now = datetime(2026, 1, 2, 3, 4, 5)
    names = [write_new(tmp_path, now, content).name for content in (b"1", b"2", b"3")]
    assert names == [f"report-2026-01-02-03-04-05{number}.csv" for number in ("", "-2", "-3")]
    assert [(tmp_path / name).read_bytes() for name in names] == [b"1", b"2", b"3"]


def test_a_picture_stays_after_the_stream_has_ended_until_it_is_closed_or_the_program_stopped(bench):
    view = ScriptedView(*[lambda: None] * 5, bench.ask("unwatch"))
    bench.watch.show(view)
    bench.watch.after()
    assert view.polls == 6
    bench.watch.after()  # nothing to see
    other = ScriptedView(bench.stop.request)
    bench.watch.show(other)
    bench.watch.after()
    assert other.polls == 1
