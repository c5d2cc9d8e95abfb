import numpy as np
import pytest

from streamforest.program.budget import BudgetJudge
from streamforest.program.judges import ManyStreamsJudge
from streamforest.protocols import STREAM_POINT_DTYPE
from streamforest.stream_names import StreamNames
from streamforest.streams import StreamDetectors
from tests.kinds import SHIPPED

DAY = 86_400.0


def judge_of(n=20, silence=None):
    names = StreamNames()
    names.numbers_of([f"pump {k}" for k in range(n)])
    streams = StreamDetectors.load(SHIPPED, 0.01, silence=silence)
    return BudgetJudge(ManyStreamsJudge(streams, names), names, 3.0, 0.01, 5)


def points_of(n=20, rows=1000):
    points = np.zeros(n * rows, STREAM_POINT_DTYPE)
    points["stream"], points["label"] = np.tile(np.arange(n), rows), -1
    points["time"] = 1.7e9 + np.repeat(np.arange(rows), n) * 600.0
    points["value"] = np.random.default_rng(4).standard_t(3, n * rows)
    return points


def judged(judge, points):
    return np.concatenate(judge.judge(points))


def test_a_resumed_run_gives_the_verdicts_of_one_that_went_on():
    points, whole, first, second = points_of(), judge_of(), judge_of(), judge_of()
    expected = judged(whole, points)
    before = judged(first, points[:9_990])
    for name, part in second.parts().items():
        part.restore(first.parts()[name].state())
    found = np.concatenate((before, judged(second, points[9_990:])))
    assert found.tobytes() == expected.tobytes()
    plain = ManyStreamsJudge(StreamDetectors.load(SHIPPED, 0.01), StreamNames())
    assert 0 < expected["is_anomaly"].sum() < judged(plain, points)["is_anomaly"].sum() / 3


def test_streams_that_are_dropped_count_no_more():
    judge = judge_of(silence=DAY)
    judged(judge, points_of(rows=50))
    later = points_of(n=5, rows=300)
    later["time"] += 10 * DAY
    judged(judge, later)
    assert len(judge.drop_silent()) == 15
    assert judge.state()["pool"]["streams"][0] == 5


@pytest.mark.parametrize(
    ("name", "field", "value"), [("pool", "days", np.nan), ("pool", "streams", -1), ("shares", "alarms", -3)]
)
def test_a_forged_state_is_refused(name, field, value):
    judge = judge_of()
    judged(judge, points_of(rows=50))
    state = judge.state()
    state[name][field] = value
    with pytest.raises(ValueError, match="saved"):
        judge_of().restore(state)
    with pytest.raises(ValueError, match="saved"):
        judge_of().restore({"pool": state["pool"][:0]})
