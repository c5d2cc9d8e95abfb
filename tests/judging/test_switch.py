import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.detectors.z_score import ZScoreDetector
from streamforest.judging.rules import DAY, NO_RULES, Rules
from streamforest.judging.switch import RECENT, DetectorSwitch
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.episodes import EpisodeFold
from streamforest.verdicts.history import History
from tests.naive import naive_alarms


def stream(n, seed=1):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=n)
    values[rng.random(n) < 0.05] += 15
    return values, 1e9 + np.arange(n, dtype=float)


class Named(ZScoreDetector):
    def __init__(self, name, rules=NO_RULES):
        super().__init__(0.02, rules)
        self.name = name


def at_once(work):
    work()


def switch_over(history, said, faulty=()):
    def make(name):
        if name in faulty:
            raise ValueError(f"{name} is broken")
        return Named(name)

    return DetectorSwitch(Named("a"), ("a", "b", "c"), make, history.newest, said.append, start=at_once)


@pytest.fixture
def history():
    return History(20_000)


def judge(switch, history, values, times):
    verdicts = switch.update_many(values, times)
    history.write(verdicts)
    return verdicts


def test_without_a_change_the_verdicts_are_the_detectors_own(history):
    values, times = stream(3000)
    found = switch_over(history, []).update_many(values, times)
    assert found.tobytes() == Named("a").update_many(values, times).tobytes()


def test_a_new_detector_judges_at_once_as_if_it_had_seen_the_recent_points(history):
    values, times = stream(9000)
    said = []
    switch = switch_over(history, said)
    judge(switch, history, values[:8000], times[:8000])
    switch.switch("b")
    assert switch.name == "a"  # until the next block
    found = judge(switch, history, values[8000:], times[8000:])
    assert switch.name == "b"
    fresh = Named("b")
    fresh.update_many(values[8000 - RECENT : 8000], times[8000 - RECENT : 8000])
    expected = fresh.update_many(values[8000:], times[8000:])
    assert not np.isnan(found["score"]).any()
    for field in ("score", "threshold", "p_value", "is_anomaly", "expected", "value", "time"):
        np.testing.assert_array_equal(found[field], expected[field])
    assert said == ["b judges from point 8,000 on"]


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 400), min_size=1, max_size=12), seed=st.integers(0, 5))
def test_indices_and_episodes_go_on_without_a_jump_however_often_it_changes(cuts, seed):
    history, fold = History(20_000), EpisodeFold()
    switch = switch_over(history, [])
    counts = RunCounts(0.02)
    values, times = stream(sum(cuts), seed)
    place, parts, started = 0, [], []
    for cut in cuts:
        verdicts = judge(switch, history, values[place : place + cut], times[place : place + cut])
        counts.add(verdicts)
        started += [episode.number for happening, episode in fold.add(verdicts) if happening == "start"]
        parts.append(verdicts)
        place += cut
        switch.switch_to_next()
    verdicts = np.concatenate(parts)
    assert verdicts["index"].tolist() == list(range(len(values)))
    assert verdicts["episode"].tolist() == naive_alarms(verdicts, NO_RULES)[1]
    assert not verdicts["episode"][~verdicts["is_anomaly"]].any()
    assert started == list(range(1, counts.episodes + 1))


def test_no_more_episodes_begin_in_a_day_than_the_rules_allow_however_often_it_changes(history):
    rules = Rules(alarms_a_day=2, cool_down=20)

    def make(name):
        # one that knows nothing of the run so far, but for the recent points
        return Named(name, rules)

    switch = DetectorSwitch(make("a"), ("a", "b"), make, lambda n: history.newest(n)[-100:], [].append, rules)
    switch._start = at_once
    values, times = stream(6000)
    times = 1e9 + DAY / 1000 * np.arange(6000)
    parts = []
    for place in range(0, 6000, 150):
        parts.append(judge(switch, history, values[place : place + 150], times[place : place + 150]))
        switch.switch_to_next()
    verdicts = np.concatenate(parts)
    alarms = verdicts[verdicts["is_anomaly"]]
    starts = alarms[np.diff(alarms["episode"], prepend=0) > 0]
    assert starts["episode"].tolist() == list(range(1, len(starts) + 1))
    assert set(np.unique(np.floor(starts["time"] / DAY), return_counts=True)[1]) == {2}
    held = verdicts[~verdicts["is_anomaly"]]
    assert not held["episode"].any()
    assert not held["reason"].any()


def test_the_next_detector_is_gone_to_in_turn_and_presses_add_up(history):
    switch = switch_over(history, [])
    values, times = stream(10)
    names = []
    for presses in (1, 1, 1, 2):
        for _ in range(presses):
            switch.switch_to_next()
        judge(switch, history, values, times)
        names.append(switch.name)
    assert names == ["b", "c", "a", "c"]


def test_points_are_judged_on_while_a_detector_is_made_and_the_last_one_asked_for_wins(history):
    works = []
    switch = DetectorSwitch(Named("a"), ("a", "b", "c"), Named, history.newest, [].append, start=works.append)
    values, times = stream(100)
    switch.switch("b")
    switch.switch("c")
    assert not np.isnan(judge(switch, history, values, times)["expected"][-1])
    assert switch.name == "a"
    for work in reversed(works):
        work()
    judge(switch, history, values, times)
    assert switch.name == "c"


def test_a_detector_is_made_in_a_thread_of_its_own(history):
    made = threading.Event()
    threads = []

    def make(name):
        threads.append(threading.current_thread())
        made.set()
        return Named(name)

    switch = DetectorSwitch(Named("a"), ("a", "b"), make, history.newest, [].append)
    switch.switch("b")
    assert made.wait(30)
    threads[0].join(30)
    judge(switch, history, *stream(100))
    assert switch.name == "b"
    assert threads[0] is not threading.current_thread()


def test_a_detector_that_cannot_be_made_is_told_and_the_old_one_goes_on(history):
    said = []
    switch = switch_over(history, said, faulty=("b",))
    switch.switch("b")
    judge(switch, history, *stream(10))
    assert switch.name == "a"
    assert said == ["a goes on judging: b is broken"]


def test_a_detector_that_does_not_exist_is_refused_and_one_alone_has_no_next(history):
    said = []
    switch = DetectorSwitch(Named("a"), ("a",), Named, history.newest, said.append)
    with pytest.raises(ValueError, match="detector is 'd'; it must be one of a"):
        switch.switch("d")
    switch.switch_to_next()
    assert said == ["there is no detector but a"]


def test_its_name_and_warm_up_are_those_of_the_detector(history):
    switch = switch_over(history, [])
    assert (switch.name, switch.warm_up_points) == ("a", ZScoreDetector.warm_up_points)
    switch._detector = object()
    assert switch.warm_up_points == 0


def test_the_next_press_passes_over_a_detector_that_cannot_be_made(history):
    said = []
    switch = switch_over(history, said, faulty=("b",))
    values, times = stream(300)
    judge(switch, history, values[:200], times[:200])
    switch.switch_to_next()
    assert said == ["a goes on judging: b is broken"]
    switch.switch_to_next()
    judge(switch, history, values[200:], times[200:])
    assert switch.name == "c"
    switch.switch_to_next()
    judge(switch, history, values[:10], times[200:210] + 300)
    assert switch.name == "a"


def test_a_restored_switch_goes_on_with_the_same_bits(history):
    values, times = stream(4000)
    whole = switch_over(history, [])
    judge(whole, history, values[:1000], times[:1000])
    whole.switch("b")
    judge(whole, history, values[1000:2000], times[1000:2000])
    state = whole.state()
    resumed = switch_over(History(500), [])
    resumed.restore(state)
    expected = whole.update_many(values[2000:], times[2000:])
    assert resumed.update_many(values[2000:], times[2000:]).tobytes() == expected.tobytes()
    with pytest.raises(ValueError, match="the saved state has no"):
        resumed.restore({name: array for name, array in state.items() if "records" not in name})


def test_it_goes_on_from_a_state_with_the_detector_that_judged_then(history):
    values, times = stream(3000)
    first, second = switch_over(history, []), switch_over(History(10), [])
    judge(first, history, values[:1000], times[:1000])
    first.switch("b")
    judge(first, history, values[1000:2000], times[1000:2000])
    second.restore(first.state())
    assert second.name == "b"
    assert (
        second.update_many(values[2000:], times[2000:]).tobytes()
        == judge(first, history, values[2000:], times[2000:]).tobytes()
    )
    second.switch_to_next()
    second.update_many(values[:1], times[:1])
    assert second.name == "c"


def test_a_state_whose_detector_cannot_be_made_is_refused_and_nothing_changes(history):
    first = switch_over(history, [])
    first.switch("b")
    first.update_many(np.zeros(5))
    second = switch_over(history, [], faulty=("b",))
    with pytest.raises(ValueError, match="the detector that judged then cannot be made: b is broken"):
        second.restore(first.state())
    assert second.name == "a"
    third = DetectorSwitch(Named("a"), ("a",), Named, history.newest, [].append, start=at_once)
    with pytest.raises(ValueError, match="judged then is 'b', and there are a"):
        third.restore(first.state())
