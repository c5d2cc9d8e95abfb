import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.detectors.z_score import ZScoreDetector
from streamforest.judging.switch import DetectorSwitch
from streamforest.program.judges import ManyStreamsJudge, OneStreamJudge
from streamforest.program.maintenance import MaintenanceJudge
from streamforest.program.maintenance_windows import MaintenanceWindows
from streamforest.protocols import POINT_DTYPE, STREAM_POINT_DTYPE
from streamforest.stream_names import StreamNames
from streamforest.streams import StreamDetectors

START = 1_772_323_200.0  # 2026-03-01T00:00 UTC
WINDOWS = ["2026-03-01T05:00/2026-03-01T06:00", "2026-03-01T08:20/2026-03-01T08:30"]


def points_of(n=600, seed=1, dtype=POINT_DTYPE):
    """A reading a minute, quite other ones in the first window."""
    points = np.zeros(n, dtype)
    points["value"] = np.random.default_rng(seed).normal(size=n)
    points["time"], points["label"] = START + 60 * np.arange(n), -1
    points["value"][300:360] += 50.0
    return points


def plain():
    detector = ZScoreDetector(0.01)
    return OneStreamJudge(lambda recent: DetectorSwitch(detector, ("z-score",), None, recent, lambda _: None))


def with_windows(said=None):
    notify = (lambda _line: None) if said is None else said.append
    return MaintenanceJudge(plain(), plain(), MaintenanceWindows(WINDOWS), notify)


def judged(judge, points, cuts=()):
    pieces = [piece for piece in np.split(points, sorted(cuts)) if len(piece)]
    return np.concatenate([block for piece in pieces for block in judge.judge(piece)])


def test_points_inside_are_judged_but_are_no_alarms_and_those_behind_are_as_if_they_were_missing():
    said, points = [], points_of()
    verdicts = judged(with_windows(said), points)
    hidden = points.copy()
    for first, end in ((300, 360), (500, 510)):
        hidden["value"][first:end] = np.nan
    without = judged(plain(), hidden)
    outside = ~np.isnan(hidden["value"])
    assert verdicts[outside].tobytes() == without[outside].tobytes()
    inside = verdicts[300:360]
    assert (inside["value"] == points["value"][300:360]).all()
    assert (inside["p_value"] < 0.01).any(), "judged"
    assert not inside["is_anomaly"].any()
    assert not inside["episode"].any()
    assert verdicts["index"].tolist() == list(range(600))
    assert said == [
        "maintenance from 2026-03-01T05:00:00Z: nothing is learned, no alarms",
        "maintenance from 2026-03-01T08:20:00Z: nothing is learned, no alarms",
    ]


def test_without_windows_the_same_points_alarm_and_are_learned():
    points = points_of()
    assert judged(plain(), points)["is_anomaly"][300:360].any()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 599), max_size=6), st.integers(1, 599))
def test_the_verdicts_are_the_same_however_the_stream_is_cut_and_resumed(cuts, kill):
    points = points_of()
    whole = judged(with_windows(), points)
    judge = with_windows()
    before = judged(judge, points[:kill], [cut for cut in cuts if cut < kill])
    later = with_windows()
    for name, part in judge.parts().items():
        later.parts()[name].restore(part.state())
    after = judged(later, points[kill:], [cut - kill for cut in cuts if cut > kill])
    assert np.concatenate([before, after]).tobytes() == whole.tobytes()


def test_of_many_streams_each_is_judged_as_it_is_alone(model):
    names = StreamNames()
    numbers = names.numbers_of(["a", "b"])
    parts = [points_of(seed=seed, dtype=STREAM_POINT_DTYPE) for seed in (1, 2)]
    for part, number in zip(parts, numbers, strict=True):
        part["stream"] = number
    mixed = np.stack(parts, axis=1).reshape(-1)
    judges = [ManyStreamsJudge(StreamDetectors(model, 0.01), names) for _ in range(2)]
    many = MaintenanceJudge(*judges, MaintenanceWindows(WINDOWS), lambda _line: None)
    verdicts = judged(many, mixed, [100, 611, 640, 990])

    def one_stream():
        detector = StreamDetector(model, 0.01)
        return OneStreamJudge(lambda recent: DetectorSwitch(detector, (detector.name,), None, recent, lambda _: None))

    for part, number in zip(parts, numbers, strict=True):
        own = np.zeros(len(part), POINT_DTYPE)
        for name in POINT_DTYPE.names:
            own[name] = part[name]
        alone = MaintenanceJudge(one_stream(), one_stream(), MaintenanceWindows(WINDOWS), lambda _line: None)
        mine = verdicts[verdicts["stream"] == number]
        for name in ("index", "value", "score", "p_value", "is_anomaly", "reason"):
            assert np.array_equal(mine[name], judged(alone, own)[name], equal_nan=True), name
            alone = MaintenanceJudge(one_stream(), one_stream(), MaintenanceWindows(WINDOWS), lambda _line: None)


def test_that_readings_were_missing_is_no_alarm_behind_a_window(model):
    """Without the windows the same readings, missing, are."""

    def forest():
        detector = StreamDetector(model, 0.01)
        return OneStreamJudge(lambda recent: DetectorSwitch(detector, (detector.name,), None, recent, lambda _: None))

    points = points_of()
    verdicts = judged(MaintenanceJudge(forest(), forest(), MaintenanceWindows(WINDOWS), lambda _line: None), points)
    hidden = points.copy()
    hidden["value"][300:360] = np.nan
    assert judged(forest(), hidden)["is_anomaly"][360:363].any()
    assert not verdicts["is_anomaly"][360:363].any()
    late = points_of()
    late["value"][361] += 80.0
    verdicts = judged(MaintenanceJudge(forest(), forest(), MaintenanceWindows(WINDOWS), lambda _line: None), late)
    assert verdicts["is_anomaly"][361], "what is far off behind it is one"


def test_points_without_times_are_ignored_by_the_clock():
    points = points_of()
    points["time"] = np.nan
    judge = MaintenanceJudge(plain(), plain(), MaintenanceWindows(WINDOWS), lambda _: None, lambda: START + 5.5 * 3600)
    assert not judged(judge, points)["is_anomaly"].any()
    assert judged(plain(), points)["is_anomaly"].any()


def test_what_is_no_state_is_refused():
    with pytest.raises(ValueError, match="saved"):
        with_windows().restore({})


def test_it_is_the_judge_that_learns_to_those_who_ask():
    judge = with_windows()
    assert (judge.name, judge.detectors, judge.keys, judge.drops_silent) == ("z-score", ("z-score",), None, False)
    assert judge.drop_silent() == ()
    with pytest.raises(ValueError, match="must be one of"):
        judge.switch("none")
