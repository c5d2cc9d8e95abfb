import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from streamforest.program import cases
from streamforest.program.cases import AROUND, CaseRefusedError, Cases
from streamforest.program.state_copies import StateCopies
from streamforest.protocols import POINT_DTYPE
from streamforest.storage.case_file import FACTS, PICTURE, POINTS, VERDICTS, read_case
from streamforest.verdicts.history import History
from tests.chosen import run_of

SPIKES = (2000, 2900, 2903)


class Judged:
    """A stream with two episodes, judged by the z-score in blocks."""

    def __init__(self, run, n=4000, history=50_000, block=100):
        self.said, self.history, self.copies = [], History(history), StateCopies(lambda: 0.0)
        self.run = run
        run.judge.keep_copies(self.copies)
        self.cases = Cases(
            run,
            self.history,
            self.copies,
            lambda: run.options,
            lambda index: b"picture of %d" % index,
            self.said.append,
        )
        points = np.zeros(n, POINT_DTYPE)
        points["value"] = np.random.default_rng(4).uniform(-1, 1, n)
        points["value"][[at for at in SPIKES if at < n]] = 30.0
        points["time"], points["label"] = 1.7e9 + 60.0 * np.arange(n), -1
        points["value"][2910:2911] = np.nan
        for first in range(0, n, block):
            for verdicts in run.judge.judge(points[first : first + block]):
                self.history.write(verdicts)


@pytest.fixture
def judged(tmp_path):
    with run_of("--alarm-rate", "0.0001", "--case-on-anomaly", str(tmp_path / "cases")) as run:
        yield Judged(run)


def parts_of(folder, content):
    (folder / "one.zip").write_bytes(content)
    return read_case(folder / "one.zip")


def test_a_case_holds_the_points_around_the_episode_and_how_they_were_judged(judged, tmp_path):
    parts = parts_of(tmp_path, judged.cases.make(2950))
    facts = json.loads(parts[FACTS])
    episode = facts["episode"]
    assert (episode["first"], episode["last"]) == (2900, 2903)
    assert episode["reason"].startswith("spike: 30")
    assert len(episode["id"]) == 16
    assert facts["settings"]["DETECTOR"] == "z-score"
    assert facts["settings"]["ALARM_RATE"] == 0.0001
    assert facts["versions"]["numpy"] == np.__version__
    rows = [*csv.DictReader(io.StringIO(parts[POINTS].decode()))]
    verdicts = [json.loads(line) for line in parts[VERDICTS].decode().splitlines()]
    assert [int(row["index"]) for row in rows] == [one["index"] for one in verdicts]
    assert int(rows[0]["index"]) <= 2900 - AROUND
    assert int(rows[-1]["index"]) == 2903 + AROUND
    kept = judged.history.view(int(rows[0]["index"]), 2903 + AROUND)
    assert [float(row["value"] or "nan") for row in rows] == pytest.approx(kept["value"].tolist(), abs=0, nan_ok=True)
    assert parts[PICTURE].startswith(b"picture of 290")


def test_the_episode_is_that_of_the_point_else_the_newest_one_before(judged, tmp_path):
    firsts = [
        json.loads(parts_of(tmp_path, judged.cases.make(at))[FACTS])["episode"]["first"] for at in (2000, 2899, 3999)
    ]
    assert firsts == [2000, 2000, 2900]
    with pytest.raises(CaseRefusedError, match="there is no episode yet"):
        judged.cases.make(int(judged.history.previous_anomaly(10**6) * 0))


def test_what_is_not_kept_any_more_makes_no_case():
    with run_of("--alarm-rate", "0.0001") as run:
        judged = Judged(run, history=1800)
        assert judged.cases.make(2950)
        judged.copies.clear()
        with pytest.raises(CaseRefusedError, match="is not kept any more"):
            judged.cases.make(2950)


def test_a_case_of_each_episode_is_made_once_the_points_behind_it_are_there(judged, tmp_path):
    judged.cases.end_episode(2000)
    assert not judged.cases.is_due(is_over=False)
    assert judged.cases.is_due(is_over=True)
    judged.cases.save_next()
    (path,) = (tmp_path / "cases").iterdir()
    assert judged.said == [f"case written: {path}"]
    assert json.loads(read_case(path)[FACTS])["episode"]["first"] == 2000
    assert not judged.cases.is_due(is_over=True)
    judged.cases.tell_left_out()
    assert len(judged.said) == 1


def test_names_are_never_taken_twice_and_cases_are_bounded(judged, tmp_path, monkeypatch):
    monkeypatch.setattr(cases, "MOST_CASES", 3)
    for _ in range(5):
        judged.cases.end_episode(2000)
        judged.cases.save_next()
    assert len([*(tmp_path / "cases").iterdir()]) == 3
    assert judged.said[3] == "no more cases: a run makes up to 3 and 1,000 MB of them"
    judged.cases.tell_left_out()
    assert judged.said[4:] == ["2 episodes have no case"]


def test_too_many_that_wait_are_left_out_and_a_folder_that_cannot_be_is_told_once(judged, tmp_path, monkeypatch):
    monkeypatch.setattr(cases, "MOST_WAITING", 3)
    (tmp_path / "cases").write_text("a file", encoding="utf-8")
    for _ in range(5):
        judged.cases.end_episode(2000)
    assert judged.cases.is_due(is_over=False)
    while judged.cases.waiting:
        judged.cases.save_next()
    judged.cases.tell_left_out()
    assert [line.partition(":")[0] for line in judged.said] == ["no case", "5 episodes have no case"]


def test_without_a_folder_cases_go_where_the_user_is():
    with run_of() as run:
        assert Judged(run, 100).cases.folder == Path()
