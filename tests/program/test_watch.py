import threading
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamforest.detectors.z_score import ZScoreDetector
from streamforest.judging.switch import DetectorSwitch
from streamforest.program import watch
from streamforest.program.watch import Output, Watch, write_new
from streamforest.protocols import SourceError
from streamforest.sinks.report import RecentReport
from streamforest.terminal.actions import Actions
from streamforest.terminal.stop import StopFlag
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.history import History


class ScriptedView:
    """A view whose user does one thing at each poll."""

    name = "scripted"

    def __init__(self, *script):
        self.is_open = True
        self.commands = []
        self.polls = 0
        self.script = list(script)

    def poll(self, _seconds):
        assert self.is_open
        self.polls += 1
        if self.script:
            self.script.pop(0)()
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


class WatchedRun:
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
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "WAIT", 0.01)  # scripted keys wake nobody
    run = WatchedRun(tmp_path)
    yield run
    run.watch.close()
    run.actions.close()
    run.stop.close()


def test_the_run_is_in_a_thread_of_its_own_and_its_error_comes_back(run):
    threads = []

    def judge():
        threads.append(threading.current_thread())
        raise SourceError("broken")

    with pytest.raises(SourceError, match="broken"):
        run.watch.during(judge)
    assert threads != [threading.main_thread()]


def test_a_run_that_ends_ends_the_wait_at_once(run):
    began = time.monotonic()
    run.watch.during(lambda: None)
    assert time.monotonic() - began < 0.4


def test_the_views_are_told_that_no_point_comes_any_more(run):
    assert not run.watch.status().has_ended
    run.watch.during(lambda: None)
    assert run.watch.status().has_ended


def test_an_error_in_the_view_stops_the_run_and_is_not_hidden(run):
    run.watch.show(ScriptedView(lambda: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        run.watch.during(run.judge_until_stopped)


def test_commands_go_to_the_view_and_stop_ends_the_run(run):
    view = ScriptedView(run.ask("pause"), run.ask("detector:none"), run.ask("help"), run.ask("stop"))
    run.watch.show(view)
    run.watch.during(run.judge_until_stopped)
    assert view.commands == ["pause", "help"]
    assert run.said == ["detector is 'none'; it must be one of z-score"]


def test_a_panel_for_one_stream_is_refused_in_words_where_there_is_none(run):
    view = ScriptedView(run.ask("what-if"), run.stop.request)
    run.watch.show(view)
    run.watch.during(run.judge_until_stopped)
    assert "that is for one stream: of each of many only the newest points are kept" in run.said
    assert run.watch.choices() is None


def test_a_view_that_others_need_is_not_closed_by_a_key(run):
    view = ScriptedView(run.ask("unwatch"), run.ask("pause"), run.ask("stop"))
    run.watch.show(view, stays=True)
    run.watch.during(run.judge_until_stopped)
    assert view.commands == ["pause"]


def test_what_lies_over_the_picture_is_closed_before_the_picture(run):
    class WithHelp(ScriptedView):
        box = ""

        def command(self, name):
            super().command(name)
            self.box = "" if self.box else name

    view = WithHelp(run.ask("help"), run.ask("unwatch"), run.ask("unwatch"))
    run.watch.show(view)
    run.watch.hear(Keys(run.actions.ask, *["up"] * 5, "stop"))
    run.watch.during(run.judge_until_stopped)
    assert (view.commands, view.is_open, view.polls) == (["help", "help"], False, 3)


@pytest.mark.parametrize("how", ["key", "window"])
def test_a_view_that_is_closed_is_left_alone_and_the_run_goes_on(run, how):
    view = ScriptedView()
    view.script = [run.ask("unwatch") if how == "key" else view.close]
    keys = Keys(run.actions.ask, *["pause"] * 5, "next-detector", "stop")
    run.watch.show(view)
    run.watch.hear(keys)
    run.watch.during(run.judge_until_stopped)
    assert (view.is_open, view.polls) == (False, 1)
    assert run.said == ["the picture is closed, the run goes on; Ctrl+C ends it", "there is no detector but z-score"]
    run.watch.close()
    assert keys.closed == 1


def test_a_display_that_is_gone_is_not_touched_again(run):
    view = ScriptedView()
    view.close = view.poll = lambda *_: pytest.fail("touched")
    run.watch.show(view)
    run.watch.lose_display()
    run.watch.during(run.judge)
    run.watch.close()
    assert run.said == ["the display is gone, the run goes on without it; Ctrl+C ends it"]


def test_one_press_is_one_picture_with_what_it_tells_of_the_run(run, tmp_path):
    keys = Keys(run.actions.ask, "snapshot", "snapshot", "snapshot", "stop")
    run.watch.hear(keys)
    run.watch.during(run.judge_until_stopped)
    pictures = list((tmp_path / "pictures").iterdir())
    assert len(pictures) == 1
    assert f"picture saved: {pictures[0]}" in run.said
    with Image.open(pictures[0]) as picture:
        assert picture.size == (1280, 800)
        assert picture.text["Source"] == "a test"
        assert picture.text["Range of points"] == "0 to 499"


def test_each_episode_gets_a_picture_around_it_though_they_end_all_at_once(run, tmp_path):
    def judge():
        run.judge(900)
        for peak in (100, 450, 850):
            run.watch.end_episode(peak)

    run.watch.during(judge)
    ranges = []
    for path in sorted((tmp_path / "pictures").iterdir()):
        with Image.open(path) as picture:
            ranges.append([int(number) for number in picture.text["Range of points"].replace(",", "").split(" to ")])
    assert sorted(ranges) == [[0, 499], [200, 699], [400, 899]]


def test_episodes_that_cannot_be_drawn_in_time_are_counted(run, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "MOST_EPISODES", 2)

    def judge():
        run.judge(1500)  # the history keeps 1000 of them
        for peak in (100, 450, 1200):
            run.watch.end_episode(peak)

    run.watch.during(judge)
    assert len(list((tmp_path / "pictures").iterdir())) == 1
    assert run.said[-1] == "2 episodes have no picture: they ended faster than pictures can be drawn"


@pytest.mark.parametrize("limits", [(2, 10**9), (1000, 1)])
def test_pictures_of_episodes_have_a_limit_by_number_and_by_bytes(run, tmp_path, monkeypatch, limits):
    monkeypatch.setattr(watch, "MOST_PICTURES", limits[0])
    monkeypatch.setattr(watch, "MOST_PICTURE_BYTES", limits[1])

    def judge():
        run.judge(900)
        for peak in (100, 300, 450, 850):
            run.watch.end_episode(peak)

    run.watch.during(judge)
    saved = len(list((tmp_path / "pictures").iterdir()))
    assert saved == (2 if limits[0] == 2 else 1)
    assert run.said[-1] == f"{4 - saved} episodes have no picture: there were as many as a run saves"
    assert sum("no more pictures of episodes" in line for line in run.said) == 1


def test_a_stop_does_not_wait_for_pictures_of_episodes(run, tmp_path):
    def judge():
        run.judge()
        run.stop.request()
        for peak in range(0, 500, 10):
            run.watch.end_episode(peak)

    run.watch.during(judge)
    assert len(list((tmp_path / "pictures").glob("*"))) <= 1
    assert "episodes have no picture" in run.said[-1]


def test_a_picture_that_cannot_be_saved_is_told_and_the_run_goes_on(run, tmp_path):
    (tmp_path / "pictures").write_text("in the way", encoding="utf-8")
    run.actions.ask("snapshot")
    run.watch.during(run.judge)
    assert len(run.said) == 1
    assert run.said[0].startswith("cannot save a picture in ")


def test_the_report_is_written_beside_older_ones_or_is_where_it_is(run, tmp_path):
    for _ in range(2):
        run.actions.ask("report")
    run.watch.during(run.judge)
    reports = sorted(tmp_path.glob("report-*.csv"))
    assert len(reports) == 2
    written = WatchedRun(tmp_path, report=Path("out.csv"))
    written.actions.ask("report")
    written.watch.during(written.judge)
    assert written.said == ["the report is written while the run goes on: out.csv"]
    assert len(list(tmp_path.glob("report-*.csv"))) == 2
    written.actions.close()
    written.stop.close()


def test_a_report_that_cannot_be_written_is_told(run, tmp_path):
    tmp_path.joinpath("gone").mkdir()
    run.watch.output = Output(tmp_path, "light", {}, None, tmp_path / "gone" / "away")
    run.actions.ask("report")
    run.watch.during(run.judge)
    assert run.said == [f"no report: {tmp_path / 'gone' / 'away'}: No such file or directory"]


def test_names_of_reports_that_are_taken_get_a_number(tmp_path):
    now = datetime(2026, 1, 2, 3, 4, 5)
    names = [write_new(tmp_path, now, content).name for content in (b"1", b"2", b"3")]
    assert names == [f"report-2026-01-02-03-04-05{number}.csv" for number in ("", "-2", "-3")]
    assert [(tmp_path / name).read_bytes() for name in names] == [b"1", b"2", b"3"]


def test_a_picture_stays_after_the_stream_has_ended_until_it_is_closed_or_the_program_stopped(run):
    view = ScriptedView(*[lambda: None] * 5, run.ask("unwatch"))
    run.watch.show(view)
    run.watch.after()
    assert view.polls == 6
    run.watch.after()  # nothing to see
    other = ScriptedView(run.stop.request)
    run.watch.show(other)
    run.watch.after()
    assert other.polls == 1


@pytest.mark.parametrize(
    ("action", "place"), [("snapshot", "streamforest.figures.snapshot.save_snapshot"), ("report", "write_new")]
)
def test_a_picture_or_report_that_memory_does_not_suffice_for_is_left_out_and_told(run, monkeypatch, action, place):
    def too_large(*_):
        raise MemoryError

    monkeypatch.setattr(place if "." in place else f"{watch.__name__}.{place}", too_large)
    run.actions.ask(action)
    run.watch.during(run.judge)
    assert f"no {'picture' if action == 'snapshot' else 'report'}: there is not enough memory for it" in run.said
