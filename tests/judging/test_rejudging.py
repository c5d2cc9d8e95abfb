import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.detectors.z_score import ZScoreDetector
from streamforest.judging import rejudging
from streamforest.judging.rejudging import AlarmSettings, judge_again, readings_of
from streamforest.judging.rules import Rules
from streamforest.verdicts.history import History


def kept(n=1500, before=700, seed=1):
    """What is kept of a stream of which older points are forgotten."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=before + n)
    values[rng.random(before + n) < 0.03] += 12
    values[rng.random(before + n) < 0.01] = np.nan
    history = History(n)
    history.write(ZScoreDetector(0.05).update_many(values, 1e9 + 60.0 * np.arange(before + n)))
    return history.newest(n)


rules = st.builds(
    Rules,
    direction=st.sampled_from(("both", "up", "down")),
    minimum_deviation=st.sampled_from((0.0, 3.0, 11.0)),
    alarms_a_day=st.sampled_from((None, 0.5, 20.0)),
    cool_down=st.sampled_from((0, 5, 40)),
)


@settings(max_examples=20)
@given(rules, st.sampled_from((1e-4, 0.01, 0.2)), st.integers(1, 3000))
def test_kept_readings_get_the_bits_of_a_fresh_run_over_them(model, rules, rate, block):
    rows = kept()
    for make in (lambda: ZScoreDetector(rate, rules), lambda: StreamDetector(model, rate, rules)):
        detector, before = make(), rejudging.BLOCK
        rejudging.BLOCK = block
        try:
            found = judge_again(
                lambda points, detector=detector: [detector.update_many(points["value"], points["time"])],
                readings_of(rows),
            )
        finally:
            rejudging.BLOCK = before
        expected = make().update_many(rows["value"].copy(), rows["time"].copy())
        expected["index"] += 700
        assert found.tobytes() == expected.tobytes()


def test_what_is_not_wanted_any_more_is_not_judged_on():
    rows, asked = kept(), []
    answer = judge_again(asked.append, readings_of(rows), lambda: False)
    assert answer is None
    assert asked == []
    assert len(judge_again(asked.append, readings_of(rows[:0]))) == 0


def test_only_rules_leave_scores_as_they_are():
    own = AlarmSettings("z-score", 0.01)
    assert own.keeps_scores_of(own._replace(rules=Rules("up", 3.0, 5.0, cool_down=9), quiet=("daily 02:00-03:00",)))
    assert not own.keeps_scores_of(own._replace(alarm_rate=0.02))
    assert not own.keeps_scores_of(own._replace(detector="isolation-forest"))
    assert not own.keeps_scores_of(own._replace(rules=Rules(alarms_a_day=3.0)))
