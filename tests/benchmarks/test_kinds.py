import numpy as np

from benchmarks import kinds
from benchmarks.kinds import Found, ended, fitted, rows
from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.verdicts.trajectory import KINDS, WEIGHTS


def test_an_episode_is_found_by_its_number_with_what_its_trajectory_looks_like(model):
    values = np.random.default_rng(1).normal(size=900)
    values[600] = 40.0
    values[700:740] += 20.0
    verdicts = StreamDetector(model).update_many(values)
    found = ended(verdicts)
    assert sorted(found) == sorted({*verdicts["episode"].tolist()} - {0})
    spike, shift = (found[int(verdicts["episode"][index])] for index in (600, 700))
    assert (spike.episode.start.index, shift.episode.start.index) == (600, 700)
    assert len(spike.numbers) == len(shift.numbers) == len(WEIGHTS)


def test_the_fit_finds_again_what_tells_kinds_apart(monkeypatch):
    rng = np.random.default_rng(2)
    names = {"level shift": 1, "ramp": 2, "season break": 3, "variance burst": 4}

    def events(_model, kind, _seed, _streams):
        for _ in range(50):
            numbers = rng.normal(size=len(WEIGHTS) - 1)
            numbers[names.get(kind, 0)] += 9.0
            yield Found(None, [1.0, *numbers.tolist()])
        yield Found(None, [])  # one whose name needs none

    monkeypatch.setattr(kinds, "events", events)
    weights = fitted(None)
    assert weights.shape == (len(WEIGHTS), len(KINDS))
    # place 0 speaks for a spike; the constant is the first row
    assert weights[2:6].argmax(axis=0).tolist() == [0, 1, 2, 3]
    assert (weights[1] < 0.0).all()


def test_a_row_counts_what_was_found_and_named_rightly(model, monkeypatch):
    monkeypatch.setattr(kinds, "KINDS", ("spike", "missing"))
    table = list(rows(model, 2))
    assert [row.split("|")[1].strip() for row in table] == ["spike", "missing", "all"]
    assert "(100%) | 100% | 100% |" in table[1]
