import math

import numpy as np
import pytest

from benchmarks import speed_rounds
from benchmarks.speed_rounds import KNOWN, Contender, alternate, measure, part, single_calls


def test_rounds_alternate_and_those_that_warm_up_are_not_counted():
    order = []

    def task(name):
        def run(turn):
            order.append((turn, name))
            return float(turn)

        return run

    assert alternate("", {"a": task("a"), "b": task("b")}, 2) == {"a": [1.0, 2.0], "b": [1.0, 2.0]}
    assert order == [(turn, name) for turn in range(3) for name in "ab"]
    assert alternate("", {"a": task("a")}, 2, 0) == {"a": [0.0, 1.0]}


def test_everybody_is_given_the_same_known_points_and_judges_as_many_a_round_as_it_says(stream):
    given = {"step": [], "sweep": []}

    def step(known):
        given["step"].append(known.tolist())
        return given["step"].append

    def sweep(known):
        given["sweep"].append(known.tolist())
        return lambda values: given["sweep"].append(values.size)

    costs = measure("t", [Contender("a", 7, step=step), Contender("b", 11, sweep=sweep, at=3)], stream, 5)
    assert given["step"][0] == given["sweep"][0] == stream[:KNOWN].tolist()
    for turn in range(6):
        assert given["step"][1 + 7 * turn : 8 + 7 * turn] == part(stream, turn, 7).tolist()
    assert len(given["step"]) == 1 + 6 * 7
    assert given["sweep"][1:] == [11] * 6, "a round to warm up, then five"
    assert [(one.topic, one.who, one.unit) for one in costs] == [("t", "a", "us"), ("t", "b", "us")]
    assert math.isnan(costs[0].at)
    assert costs[1].at == 3
    assert all(0.0 <= one.lowest <= one.median <= one.highest < math.inf for one in costs)


def test_rounds_are_given_other_values_each(stream):
    assert not np.array_equal(part(stream, 0, 100), part(stream, 1, 100))
    assert part(stream, 3, 10_000).size == 10_000


def test_the_cost_of_the_loop_and_of_the_clock_is_taken_off(stream):
    nothing = Contender("a", 5_000, step=lambda _known: speed_rounds._nothing)
    assert measure("t", [nothing], stream, 5)[0].median == pytest.approx(0.0, abs=0.1)
    middle, late = single_calls("t", [nothing], stream, 5)
    assert (middle.who, late.who) == ("a, median", "a, 99 % within")
    assert -0.1 < middle.median < 1.0
    assert middle.median <= late.median
