import numpy as np
import pytest

from benchmarks import speed_growth, speed_memory
from benchmarks.peers import installed
from benchmarks.speed_rounds import measure

HAS_RIVER = installed("river") is not None


def test_the_cost_is_measured_at_every_number_of_trees_of_features_and_window(model_path, stream):
    made = [
        *speed_growth.trees(model_path, (2, 7)),
        *speed_growth.features((1, 4)),
        *speed_growth.windows((10,)),
    ]
    there = [one._replace(points=2) for one in made if all(map(installed, one.packages))]
    costs = measure("growth", there, stream, 1)
    assert {one.at for one in costs} == {2, 7, 1, 4, 10}
    assert all(one.median > 0.0 for one in costs)


def test_a_long_stream_is_measured_behind_each_power_of_ten(model_path, stream):
    costs = speed_growth.lengths(model_path, 20_000, stream, 1, has_river=False)
    assert [one.at for one in costs] == [1_000, 10_000]


def test_ever_more_streams_are_measured_in_processes_of_their_own(model_path, stream):
    costs = speed_growth.streams(model_path, 5, stream, 1, has_river=False)
    assert [(one.topic, one.at, one.unit) for one in costs] == [
        ("growth: number of streams", 1, "us"),
        ("growth: memory of the streams", 1, "MiB"),
    ]
    assert all(one.median > 0.0 for one in costs)


def test_more_streams_than_fit_into_memory_are_left_out_and_told(model_path, monkeypatch, capsys):
    monkeypatch.setattr(speed_memory, "available", lambda: 2**20)
    assert speed_growth.streams(model_path, 5, np.zeros(1), 1, has_river=False) == []
    assert "left out: 1 streams; they need 0.5 GiB of memory, 0.0 are free" in capsys.readouterr().out


@pytest.mark.parametrize(("first", "last", "found"), [(1, 100, [1, 10, 100]), (1000, 9_999, [1000]), (10, 9, [])])
def test_sizes_are_powers_of_ten_up_to_the_last(first, last, found):
    assert speed_growth._decades(first, last) == found
