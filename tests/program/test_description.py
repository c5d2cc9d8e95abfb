import dataclasses

import pytest

from streamforest.program.description import Command
from streamforest.verdicts.comparison import DetectorComparison
from tests.chosen import options_of, run_of


@pytest.mark.parametrize(
    ("program", "repeated"),
    [("main.py", "python main.py a.csv --seed 1"), ("streamforest", "streamforest a.csv --seed 1")],
)
def test_a_run_is_repeated_by_the_program_that_it_was_started_with(program, repeated):
    assert Command(program, ["a.csv", "--seed", "1"], None).repeating == repeated


def test_a_run_does_not_change():
    with run_of() as run, pytest.raises(dataclasses.FrozenInstanceError):
        run.source = None


def test_the_status_is_that_of_its_parts():
    with run_of("--alarm-rate", "0.01") as run:
        status = run.status()
        assert (status.source, status.detector, status.alarm_rate) == (run.source.name, "z-score", 0.01)
        assert status.detectors == run.judge.detectors
        assert status.agreement == ()
        assert "points  0 in" in run.summary()


def test_where_several_detectors_judge_status_and_summary_say_how_far_they_agree():
    with run_of() as run:
        z_score = type("Named", (), {"name": "other", "update_many": None})
        both = dataclasses.replace(run, comparison=DetectorComparison(z_score(), [z_score()], 10))
        assert [name for name, _, _ in both.status().agreement] == ["other"]
        assert len(both.summary().splitlines()) > len(run.summary().splitlines())


def test_the_options_are_those_of_the_command():
    options = options_of("--seed", "7")
    assert Command("main.py", (), options).options.seed == 7
