import numpy as np

from streamforest.program import state_copies
from streamforest.program.state_copies import EVERY, StateCopies
from streamforest.protocols import VERDICT_DTYPE


class Part:
    def __init__(self, size=10):
        self.taken, self.size = 0, size

    def state(self):
        self.taken += 1
        return {"records": np.full(self.size, self.taken)}


class Clock:
    now = 0.0
    step = 0.0

    def __call__(self):
        self.now += self.step
        return self.now


def judge(copies, part, first, n, name="forest"):
    rows = np.zeros(n, VERDICT_DTYPE)
    rows["index"] = np.arange(first, first + n)
    copies.take_if_due(part)
    copies.note(rows, name)


def test_a_copy_is_taken_before_the_first_point_and_then_every_so_many():
    copies, part = StateCopies(Clock()), Part()
    for first in range(3 * EVERY):
        judge(copies, part, first, 1)
    assert part.taken == 3
    assert [copies.before(at, 0).index for at in (0, EVERY - 1, EVERY, 3 * EVERY)] == [0, 0, EVERY, 2 * EVERY]
    assert copies.before(EVERY, 0).state["records"][0] == 2


def test_where_none_is_early_enough_the_oldest_that_is_left_is_given():
    copies = StateCopies(Clock())
    assert copies.before(10, 0) is None
    for first in range(0, 4 * EVERY, EVERY):
        judge(copies, Part(), first, EVERY)
    assert copies.before(-400, 0).index == 0
    assert copies.before(EVERY + 1, EVERY + 1).index == 2 * EVERY
    assert copies.before(10**6, 10**6) is None


def test_they_take_a_hundredth_of_the_time_at_most():
    clock, part = Clock(), Part()
    copies = StateCopies(clock)
    clock.step = 0.5  # seconds that a copy takes
    judge(copies, part, 0, EVERY)
    clock.step = 0.0
    for second in range(1, 52):
        clock.now = float(second)
        judge(copies, part, second * EVERY, EVERY)
    assert part.taken == 2


def test_their_number_and_size_are_bounded(monkeypatch):
    monkeypatch.setattr(state_copies, "MOST", 5)
    copies = StateCopies(Clock())
    for first in range(0, 20 * EVERY, EVERY):
        judge(copies, Part(), first, EVERY)
    assert copies.before(0, 0).index == 15 * EVERY
    monkeypatch.setattr(state_copies, "MOST_BYTES", 200)
    judge(copies, Part(), 20 * EVERY, EVERY)
    assert copies.before(0, 0).index == 19 * EVERY
    judge(copies, Part(1000), 21 * EVERY, EVERY)
    assert copies.before(0, 0).index == 21 * EVERY, "the newest one stays, however large"


def test_what_another_detector_remembered_is_dropped():
    copies, part = StateCopies(Clock()), Part()
    judge(copies, part, 0, EVERY)
    judge(copies, part, EVERY, EVERY, "robust-z")
    assert copies.before(10**6, 0) is None
    judge(copies, part, 2 * EVERY, 1, "robust-z")
    assert copies.before(10**6, 0).index == 2 * EVERY
