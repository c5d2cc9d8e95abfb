import csv
import math

import numpy as np
import pytest

from benchmarks import outcomes, peers, quality
from benchmarks.boards import Board, Series
from benchmarks.marks import decide, measure, split_episodes
from benchmarks.outcomes import Failure, KeptOutcomes, Task, run_all, run_task
from benchmarks.peers import Outcome, Peer
from benchmarks.vus import usual_period, vus_pr

NAMES = "z-score,null,random,moving-z-score"


def write_board(folder, n=500):
    """Two series of which one has an anomaly, a spike of three rows."""
    folder.mkdir()
    rng = np.random.default_rng(2)
    for name, spike in (("calm.csv", None), ("spiky.csv", 400)):
        values, labels = rng.normal(10.0, 1.0, n), np.zeros(n, dtype=int)
        if spike is not None:
            values[spike : spike + 3] += 40.0
            labels[spike - 2 : spike + 5] = 1
        rows = (f"{300 * at},{value},{label}\n" for at, (value, label) in enumerate(zip(values, labels, strict=True)))
        (folder / name).write_text("timestamp,value,label\n" + "".join(rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole run; the folder that it wrote into, and its words for another one."""
    folder = tmp_path_factory.mktemp("quality")
    words = [
        str(write_board(folder / "toy")),
        "--detectors",
        NAMES,
        "--jobs",
        "1",
        "--output",
        str(folder / "out" / "q"),
    ]
    words += ["--cache", str(folder / "cache"), "--nab-results", str(folder / "nab"), "--alarm-rate", "0.002"]
    assert quality.main(words) == 0
    return folder, words


def rows_of(folder):
    with (folder / "out" / "q-toy.csv").open(encoding="utf-8") as file:
        return {row["detector"]: row for row in csv.DictReader(file)}


def test_a_run_writes_a_table_a_picture_and_nab_files(run):
    folder, _ = run
    rows = rows_of(folder)
    assert set(rows) == set(NAMES.split(","))
    assert (folder / "out" / "q-toy.png").read_bytes().startswith(b"\x89PNG")
    for name in rows:
        assert (folder / "nab" / name / f"{name}_spiky.csv").is_file()


def test_the_spike_is_found_by_those_who_look(run):
    rows = rows_of(run[0])
    assert [rows[name]["recall"] for name in ("z-score", "moving-z-score", "null")] == ["1", "1", "0"]
    assert rows["null"]["nab_standard"] == "0"
    assert float(rows["moving-z-score"]["nab_standard"]) > 90.0
    assert float(rows["random"]["vus_pr"]) < float(rows["moving-z-score"]["vus_pr"])
    assert rows["z-score"]["kind"] == "own"


def test_a_second_run_takes_what_is_kept(run, capsys, monkeypatch):
    folder, words = run
    before = (folder / "out" / "q-toy.csv").read_text(encoding="utf-8")
    monkeypatch.setattr(outcomes, "ProcessPoolExecutor", NoPool)
    assert quality.main(words) == 0
    assert (folder / "out" / "q-toy.csv").read_text(encoding="utf-8") == before
    assert "toy: 2 series, 1,000 points, 1 anomalies" in capsys.readouterr().out


class NoPool:
    """A pool that nothing may be given to."""

    def __init__(self, *_):
        pass

    def submit(self, *_):
        raise AssertionError("something is run again")

    def shutdown(self, **_):
        """Nothing to end."""


def series_of(n=100, windows=(), name="a.csv", seconds=864.0):
    return Series(name, np.arange(float(n)), seconds * np.arange(n), (), tuple(windows))


def task_of(tmp_path, detector="z-score", rate=0.01, n=100, model="m"):
    return Task(detector, series_of(n), tmp_path / model, rate)


def test_an_outcome_is_kept_and_found_again_but_not_for_another_task(tmp_path):
    kept, task = KeptOutcomes(tmp_path / "kept"), task_of(tmp_path)
    (tmp_path / "m").write_bytes(b"one")
    (tmp_path / "other").write_bytes(b"two")
    outcome = Outcome(np.arange(100.0), np.arange(100) > 90, 0.5)
    assert kept.load(task) is None
    kept.save(task, outcome)
    found = kept.load(task)
    np.testing.assert_array_equal(found.scores, outcome.scores)
    np.testing.assert_array_equal(found.flagged, outcome.flagged)
    assert found.seconds == 0.5
    others = [{"detector": "null"}, {"rate": 0.02}, {"n": 101}, {"model": "other"}]
    assert all(kept.load(task_of(tmp_path, **other)) is None for other in others)


def test_the_source_of_the_package_is_part_of_an_own_detectors_key(tmp_path, monkeypatch):
    kept = KeptOutcomes(tmp_path)
    tasks = [task_of(tmp_path, name) for name in ("z-score", "null")]
    own, other = (kept.path(task) for task in tasks)
    (tmp_path / "changed.py").write_text("1", encoding="utf-8")
    monkeypatch.setattr(outcomes, "_PACKAGE", tmp_path)
    assert kept.path(tasks[0]) != own
    assert kept.path(tasks[1]) == other


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no archive"])
def test_a_damaged_file_is_run_again(tmp_path, content):
    kept, task = KeptOutcomes(tmp_path), task_of(tmp_path)
    kept.path(task).parent.mkdir()
    kept.path(task).write_bytes(content)
    assert kept.load(task) is None


def test_what_a_detector_raises_is_told_with_its_series(tmp_path, monkeypatch, capsys):
    def broken(_values, _probation):
        raise RuntimeError("out of luck")

    monkeypatch.setitem(peers.PEERS, "broken", Peer(broken))
    failure = run_task(task_of(tmp_path, "broken"))
    assert failure == Failure("RuntimeError: out of luck")
    board = Board("b", tmp_path, (series_of(windows=[(50, 60)]),))
    marks = {"broken": measure(board, {}, 0.01)}
    assert (marks["broken"].failed, marks["broken"].series) == (1, 0)
    quality.print_board(board, marks, {("broken", failure.reason): ["a.csv"]})
    printed = capsys.readouterr().out
    assert "broken failed on a.csv: RuntimeError: out of luck" in printed
    assert "1 failed" in printed
    quality.write_board(board, marks, tmp_path / "q")


def test_all_outcomes_come_in_the_order_of_the_tasks(tmp_path):
    tasks = [task_of(tmp_path, "null", n=n) for n in (10, 30, 20)]
    kept = KeptOutcomes(tmp_path)
    for task in tasks:
        kept.save(task, run_task(task))
    found = run_all(tasks, kept, 1, lambda *_: None)
    assert [outcome.scores.size for outcome in found] == [10, 30, 20]


def test_decisions_are_held_against_windows():
    series = series_of(windows=[(5, 9), (12, 19), (40, 49), (70, 79)])
    flagged = np.zeros(100, dtype=bool)
    # a hit and a miss in the probation, a late hit, a false alarm, and an episode that runs into a window
    flagged[[3, 7, 17, 30, 36, 42, 43, 60]] = True
    found = decide(series, flagged)
    # 17; 30, 36 and 42 are near enough to be one; 60
    assert found.episodes == 3
    assert found.right == 2
    assert found.windows == 3
    assert found.delays == [2, 2]


def test_episodes_end_after_more_normal_points_than_they_survive():
    assert [len(rows) for rows in split_episodes(np.array([1, 7, 14, 15]))] == [2, 2]
    assert split_episodes(np.array([], dtype=int)) == []


def test_the_figures_of_a_board():
    board = Board("b", None, (series_of(windows=[(40, 49)]), series_of(name="calm.csv")))
    flagged = np.zeros(100, dtype=bool)
    flagged[[5, 42, 80]] = True
    outcome = Outcome(flagged.astype(float), flagged, 1e-4)
    marks = measure(board, {series.name: outcome for series in board.series}, 0.01)
    # the calm series: 85 points behind the probation in 84 steps of a hundredth day, 2 false alarms
    assert marks.false_alarms_per_day == pytest.approx(2 / 0.84)
    assert marks.false_alarms_per_1000 == pytest.approx(2000 / 85)
    assert marks.flagged_over_asked == pytest.approx(2 / 85 / 0.01)
    assert (marks.precision, marks.recall, marks.episodes, marks.windows, marks.found) == (0.25, 1.0, 4, 1, 1)
    assert marks.f1 == pytest.approx(0.4)
    assert marks.median_delay == 2.0
    assert marks.us_per_point == pytest.approx(1.0)
    assert (marks.series, marks.failed) == (2, 0)


def test_nothing_flagged_is_an_unknown_precision_and_an_f1_of_0():
    board = Board("b", None, (series_of(windows=[(40, 49)]),))
    marks = measure(board, {"a.csv": Outcome(np.zeros(100), np.zeros(100, dtype=bool), 0.0)}, 0.01)
    assert math.isnan(marks.precision)
    assert math.isnan(marks.median_delay)
    assert (marks.recall, marks.f1, marks.nab_standard) == (0.0, 0.0, 0.0)
    assert math.isnan(marks.false_alarms_per_day)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["b", "--detectors", "magic"], "--detectors has 'magic', allowed are isolation-forest"),
        (["b", "--alarm-rate", "0.5"], "--alarm-rate is 0.5"),
        (["b", "--jobs", "0"], "--jobs is 0"),
    ],
)
def test_a_wrong_command_line_says_what_is_allowed(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        quality.parse(words)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_what_lacks_a_package_or_the_model_is_left_out_and_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(peers, "installed", lambda package: None if package == "krcf" else "1.0")
    assert quality.usable(["krcf", "isolation-forest", "null"], {"isolation-forest": tmp_path / "none.joblib"}) == [
        "null"
    ]
    said = capsys.readouterr().err
    assert "krcf left out: pip install krcf" in said
    assert "make it with python model_prod.py" in said


def test_a_board_that_cannot_be_read_is_one_line(tmp_path, capsys):
    assert quality.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_two_boards_of_one_name_are_refused(tmp_path, capsys):
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    words = [str(write_board(tmp_path / at / "toy", 50)) for at in ("x", "y")]
    assert quality.main(words) == 2
    assert "same folder name" in capsys.readouterr().err


@pytest.mark.parametrize(("place", "found"), [(300, 1.0), (299, 0.0), (520, 1.0), (521, 0.0), (100, 1.0)])
def test_an_anomaly_of_the_ucr_archive_is_found_no_more_than_100_rows_away_and_behind_the_training(place, found):
    series = Series("a", np.zeros(600), np.full(600, np.nan), (), ((400, 420),), 200)
    scores = np.zeros(600)
    scores[410], scores[place] = 0.5, 1.0  # before the training ends, nothing counts
    marks = measure(Board("ucr", None, (series,), "ucr"), {"a": Outcome(scores, scores > 0.4, 0.1)}, 0.001)
    assert marks.found_near == found


def test_the_vus_pr_of_tsb_ad_is_over_all_rows():
    values, labels = np.random.default_rng(1).normal(size=400), np.zeros(400, dtype=bool)
    labels[300:310] = True
    series = Series("a", values, np.full(400, np.nan), (), ((300, 309),), 100)
    scores = labels.astype(float)
    scores[:30] = 2.0  # in the probation, where the other one does not count
    marks = measure(Board("tsb", None, (series,), "tsb-ad"), {"a": Outcome(scores, labels, 0.1)}, 0.001)
    assert marks.whole_vus_pr == vus_pr(scores, labels, usual_period(values))
    assert marks.whole_vus_pr < marks.vus_pr


def test_boards_with_figures_of_their_own_are_run_by_a_list_and_print_them_first(tmp_path, capsys):
    rng = np.random.default_rng(3)
    tsb, ucr = tmp_path / "tsb", tmp_path / "ucr"
    tsb.mkdir()
    ucr.mkdir()
    values = rng.normal(10.0, 1.0, 500)
    values[400:403] += 40.0
    rows = "".join(f"{value},{int(400 <= row < 403)}\n" for row, value in enumerate(values))
    names = [f"00{number}_Toy_id_{number}_Sensor_tr_200_1st_400.csv" for number in (1, 2)]
    for name in names:
        (tsb / name).write_text("Data,Label\n" + rows, encoding="utf-8")
    (ucr / "001_UCR_Anomaly_toy_200_401_403.txt").write_text("\n".join(map(str, values)), encoding="utf-8")
    (tmp_path / "list.csv").write_text(f"file_name\n{names[1]}\n", encoding="utf-8")
    common = ["--detectors", "moving-z-score,null", "--jobs", "1", "--cache", str(tmp_path / "cache")]
    common += ["--output", str(tmp_path / "out" / "q")]
    assert quality.main([str(tsb), *common, "--file-list", str(tmp_path / "list.csv")]) == 0
    printed = capsys.readouterr().out
    assert "tsb: 1 series" in printed
    assert "TSB VUS-PR" in printed
    assert quality.main([str(ucr), *common]) == 0
    printed = capsys.readouterr().out.splitlines()
    shares = {line.split()[0]: line.split()[1] for line in printed if line.startswith(("moving", "null"))}
    assert shares == {"moving-z-score": "1.000", "null": "0.000"}
