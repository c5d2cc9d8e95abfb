import math

import pytest

from benchmarks import peers, speed
from benchmarks.speed import Contender, contenders, main, many_streams, measure, single_calls, table
from streamforest.model_file import save_model
from streamforest.simulation import SimulatedStream, default_profile


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    file = tmp_path_factory.mktemp("speed") / "forest.joblib"
    save_model(model, file)
    return file


@pytest.fixture(scope="module")
def stream():
    return SimulatedStream(default_profile(), 1).take(5_000)[0]


def test_everybody_is_given_the_same_known_points_and_judges_as_many_a_round_as_it_says(stream):
    given = []

    def make(known):
        given.append(len(known))
        return lambda values: given.append(len(values))

    costs = measure([Contender("a", make, 7), Contender("b", make, 11)], stream, 5)
    assert given == [speed.KNOWN, speed.KNOWN, *[7, 11] * 6], "one round to warm up, then five, alternating"
    assert [cost.name for cost in costs] == ["a", "b"]
    assert all(0.0 <= cost.lowest <= cost.median <= cost.highest < math.inf for cost in costs)


def test_the_own_ones_and_every_peer_that_is_installed_can_be_measured(path, stream):
    there = [one._replace(points=3) for one in contenders(path) if all(map(peers.installed, one.packages))]
    rows = table(measure(there, stream, 5))
    assert rows[1][0] == "StreamDetector.update"
    assert len(rows) == len(there) + 1
    assert rows[1][-1] == "1.00"


def test_single_calls_have_a_median_and_a_tail(path, stream):
    middle, late = single_calls(path, stream)
    assert 0.0 < middle <= late


def test_many_streams_are_judged_by_any_number_of_threads(path):
    assert many_streams(path, 2_000, 1) > 0.0
    assert many_streams(path, 2_000, 2) > 0.0


def test_too_few_rounds_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--rounds", "4"])
    assert "--rounds is 4: it must be at least 5" in capsys.readouterr().err
