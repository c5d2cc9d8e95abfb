import csv
import math
from collections import Counter

import numpy as np
import pytest

from benchmarks import recurring as benchmark
from benchmarks.recurring import FIRST, Outcome, Stream, count, recurring, simulate, size_of
from streamforest.detectors.z_score import ZScoreDetector
from streamforest.protocols import LABELS, NORMAL
from streamforest.simulation.profiles import PROFILES
from streamforest.simulation.streams import Event, StreamProfile


class Fixed:
    """Marks what it was made with."""

    def __init__(self, marked):
        self.marked = np.asarray(marked)

    def update_many(self, values, times=None):
        assert times is None or times.shape == values.shape
        assert values.shape == self.marked.shape
        return benchmark.as_verdicts(self.marked)


def small_stream():
    """A spike, two dips side by side and a ramp, behind the points that count for nothing and among them."""
    events = [
        Event("spike", 100, 101, 9.0, 0),
        Event("spike", 310, 311, 7.0, 0),
        Event("dip", 320, 322, 30.0, 0),
        Event("dip", 322, 323, 3.0, 0),  # of counts: too small to be counted
        Event("ramp", 340, 360, 8.0, 0),
    ]
    labels = np.zeros(400, dtype=np.int8)
    for event in events:
        labels[event.start : event.end] = LABELS.index(event.kind)
    return Stream(np.zeros(400), None, labels, events)


def marks(*points):
    marked = np.zeros(400, dtype=bool)
    marked[list(points)] = True
    return marked


def test_an_event_is_found_by_a_mark_on_one_of_its_own_points():
    for points, found in (
        ([310], {("spike", 6.0): 1}),
        ([309, 311, 319, 323], {}),  # a mark beside it is none
        ([321], {("dip", 20.0): 1}),
        ([322, 100], {}),
        ([359], {("ramp", 0.0): 1}),
        (range(400), {("spike", 6.0): 1, ("dip", 20.0): 1, ("ramp", 0.0): 1}),
    ):
        outcome = count(small_stream(), marks(*points))
        assert +outcome.found == found
        assert outcome.events == {("spike", 6.0): 1, ("dip", 20.0): 1, ("ramp", 0.0): 1}


def test_a_marked_normal_point_is_a_false_alarm_also_behind_a_spike_but_not_right_behind_a_long_event():
    assert count(small_stream(), marks(50, 299, 360, 361, 362)).false_alarms == 0
    outcome = count(small_stream(), marks(300, 311, 323, 363))
    assert outcome.false_alarms == 4
    assert outcome.normal == 100 - 1 - 3 - 20 - benchmark.BEHIND
    assert outcome.false_alarm_rate == 4 / outcome.normal


@pytest.mark.parametrize(
    ("kind", "size", "low"),
    [
        ("spike", 6.0, 6.0),
        ("dip", 7.99, 6.0),
        ("spike", 8.0, 8.0),
        ("dip", 40.0, 20.0),
        ("dip", 5.9, None),
        ("ramp", -9.0, 0.0),
    ],
)
def test_sizes_are_those_of_spikes_and_dips(kind, size, low):
    assert size_of(Event(kind, 0, 1, size, 0)) == low


def test_shares_are_of_the_kinds_and_the_size_asked_for():
    events = Counter({("spike", 6.0): 2, ("dip", 8.0): 2, ("ramp", 0.0): 3})
    outcome = Outcome(Counter({("spike", 6.0): 1, ("ramp", 0.0): 3}), events, 0, 0)
    assert outcome.share() == 0.25
    assert outcome.share(size=6.0) == 0.5
    assert outcome.share(("ramp",)) == 1.0
    assert math.isnan(outcome.share(size=20.0))
    assert math.isnan(outcome.false_alarm_rate)
    assert benchmark.together([outcome, outcome]).events["ramp", 0.0] == 6


@pytest.mark.parametrize("profile", ["default", *PROFILES, StreamProfile(3.0)], ids=str)
def test_whoever_marks_what_is_labelled_finds_all_and_whoever_marks_nothing_finds_none(profile):
    stream = simulate(profile, 0.1, 3, 2000)
    assert (stream.times is not None) == (profile in PROFILES)
    best = recurring(lambda: Fixed(stream.labels != NORMAL), profile, 0.1, 3, 2000)
    assert best.found == best.events
    assert best.share() == 1.0
    assert sum(best.events.values()) > 100
    assert best.false_alarms == 0 < best.normal < 2000 - FIRST
    none = recurring(lambda: Fixed(np.zeros(2000, dtype=bool)), profile, 0.1, 3, 2000)
    assert none.share() == none.false_alarms == 0


def test_an_own_detector_is_run_as_it_is():
    outcome = recurring(lambda: ZScoreDetector(0.001), StreamProfile(), 0.005, 1, 3000)
    assert outcome.share() > 0.3
    assert outcome.false_alarm_rate < 0.02


def test_an_unknown_profile_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"profile is 'stocks', allowed are default, sensor, .*web"):
        simulate("stocks", 0.1, 1, 1000)


@pytest.mark.parametrize(
    "make", [lambda: benchmark.FrozenForest(0.01), benchmark.MovingMedian], ids=["forest", "median"]
)
def test_a_peer_marks_what_is_far_and_sees_nothing_of_a_missing_reading(make):
    values = np.random.default_rng(1).normal(size=1500)
    values[1200], values[1300] = 30.0, np.nan
    marked = make().update_many(values)["is_anomaly"]
    assert marked[1200]
    assert not marked[1300]
    assert marked.mean() < 0.03


def test_the_moving_median_knows_nothing_that_comes_later():
    values = np.random.default_rng(1).normal(size=600)
    values[500:] *= 20.0
    whole = benchmark.MovingMedian().update_many(values)["is_anomaly"]
    part = benchmark.MovingMedian().update_many(values[:500])["is_anomaly"]
    np.testing.assert_array_equal(whole[:500], part)
    assert whole[500:510].any()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(benchmark, "QUICK_SEEDS", (1, 2))
    monkeypatch.setattr(benchmark, "QUICK_PROFILES", 2)
    monkeypatch.setattr(benchmark, "QUICK_POINTS", 800)
    monkeypatch.setattr(benchmark, "PROBABILITIES", (0.0, 0.02, 0.2))


@pytest.mark.usefixtures("quick")
def test_it_prints_its_tables_and_writes_counts_and_picture(tmp_path, capsys):
    words = ["--quick", "--detectors", "z-score,median-mad", "--streams", "default,web,random"]
    words += ["--csv", str(tmp_path / "r.csv"), "--picture", str(tmp_path / "r.png")]
    assert benchmark.main(words) == 0
    shown = capsys.readouterr().out
    for detector in ("z-score", "median-mad"):
        assert f"{detector}: spikes and dips found" in shown
    for stream in ("default", "web", "random"):
        assert shown.count(f"| {stream} | 0.2 |") == 2
        assert shown.count(f"| {stream} | 0 | - | - |") == 2
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "r.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["seed"] for row in rows} == {"1", "2"}
    assert {row["probability"] for row in rows} == {"0.0", "0.02", "0.2"}
    assert all(int(row["found"]) <= int(row["of"]) for row in rows)
    normal = [int(row["of"]) for row in rows if row["kind"] == "normal" and row["stream"] == "random"]
    assert max(normal) == 2 * (800 - FIRST), "both random streams of a seed are added up"


@pytest.mark.usefixtures("quick")
def test_two_processes_give_the_same_table_as_one():
    asked = benchmark.parse(["--quick", "--detectors", "z-score", "--streams", "default"])
    tasks = benchmark.tasks_of(asked, ["z-score"])
    assert list(benchmark.run_all(tasks, 2)) == list(benchmark.run_all(tasks, 1))


def test_what_cannot_be_run_is_told(tmp_path, capsys):
    assert benchmark.main(["--detectors", "isolation-forest", "--model", str(tmp_path / "none.joblib")]) == 1
    assert "isolation-forest left out: no model at" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--detectors", "magic"], "--detectors has 'magic', allowed are isolation-forest, "),
        (["--streams", "stocks"], "--streams has 'stocks', allowed are default, "),
        (["--points", "300"], "--points is 300, allowed is more than 300"),
        (["--jobs", "0"], "--jobs is 0, allowed is 1 or more"),
    ],
)
def test_a_wrong_command_line_is_named(words, message, capsys):
    with pytest.raises(SystemExit) as end:
        benchmark.parse(words)
    assert end.value.code == 2
    assert message in capsys.readouterr().err
