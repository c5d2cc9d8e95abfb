import numpy as np
import pytest

from streamforest.detectors.z_score import ZScoreDetector
from streamforest.program.detect_limits import (
    HORIZON,
    LEAST_POINTS,
    PLACES,
    RANK,
    Answer,
    Limit,
    Trials,
    answers,
    as_objects,
    history_of,
    kinds_of,
    season_of,
    sentences,
    table,
)
from streamforest.program.detect_limits_panel import LimitsPanel
from streamforest.protocols import POINT_DTYPE
from tests.servers import wait_until
from tests.shells import SECONDS


def points_of(values, step=60.0):
    points = np.zeros(len(values), POINT_DTYPE)
    points["value"], points["label"] = values, -1
    points["time"] = 1_700_000_000 + step * np.arange(len(values)) if step else np.nan
    return points


def noise(n=3000, seed=1):
    return np.random.default_rng(seed).normal(size=n)


def limits_of(values, seed=1, rate=0.001):
    (answer,) = answers(history_of(points_of(values)), ZScoreDetector, [rate], seed)
    return {limit.kind.name: limit for limit in answer.limits}


def test_the_size_that_is_called_caught_is_caught_in_as_many_places_as_is_said():
    trials = Trials(history_of(points_of(noise())), lambda: ZScoreDetector(0.001), 1)
    kinds = {kind.name: kind for kind in kinds_of(history_of(points_of(noise())))}
    assert len(trials.places) == PLACES
    for name in ("spike", "level shift down"):
        limit = trials.limit(kinds[name])
        assert sum(trials.delay(limit.kind, place, limit.size) >= 0 for place in trials.places) >= RANK - 1
        assert sum(trials.delay(limit.kind, place, 0.8 * limit.size) >= 0 for place in trials.places) < RANK


def test_claims_hold_on_what_comes_later():
    hits = planted = 0
    for seed in range(6):
        values = noise(4000, seed)
        spike, dip, *_ = kinds_of(history_of(points_of(values[:2000])))
        now = Trials(history_of(points_of(values[:2000])), lambda: ZScoreDetector(0.001), seed)
        later = Trials(history_of(points_of(values)), lambda: ZScoreDetector(0.001), seed + 1, first=2000)
        for kind in (spike, dip):
            limit = now.limit(kind)
            hits += sum(later.delay(kind, place, limit.size) >= 0 for place in later.places)
            planted += len(later.places)
    assert 0.82 <= hits / planted <= 0.97, "about 9 in 10"


def test_the_same_history_and_seed_give_the_same_answer_and_other_places_another():
    history = history_of(points_of(noise(1500)))
    spike, *_ = kinds_of(history)
    one, again, other = (Trials(history, lambda: ZScoreDetector(0.001), seed).limit(spike) for seed in (1, 1, 2))
    assert (one.size, one.delay) == (again.size, again.delay)
    assert one.size != other.size


def test_sizes_are_in_the_streams_own_unit():
    one, large = limits_of(noise(1500)), limits_of(1000.0 * noise(1500))
    assert large["spike"].size == pytest.approx(1000.0 * one["spike"].size, rel=0.1)
    assert 2.0 < one["spike"].size < 12.0
    assert one["level shift up"].size <= one["ramp up"].size


def test_what_is_planted_looks_as_the_stream_does():
    counts = np.random.default_rng(1).poisson(30, 1500).astype(float)
    counts[700:720] = np.nan
    history = history_of(points_of(counts))
    assert (history.decimals, history.least) == (0, 0.0)
    seen = []

    class Watching(ZScoreDetector):
        def update_many(self, values, times=None):
            seen.append(values)
            return super().update_many(values, times)

    trials = Trials(history, lambda: Watching(0.001), 1)
    seen.clear()
    for kind in kinds_of(history):
        for size in kind.sizes[[0, len(kind.sizes) // 2, -1]]:
            trials.delay(kind, trials.places[0], float(size))
    for values in seen:
        known = values[np.isfinite(values)]
        assert (known == np.round(known)).all()
        assert (known >= 0.0).all()
    by_name = {kind.name: kind for kind in kinds_of(history)}
    stretch = counts[800 : 800 + HORIZON]
    assert (by_name["flat line"].plant(stretch, 800, 5.0)[:5] == counts[799]).all()
    assert np.isnan(by_name["missing"].plant(stretch, 800, 3.0)).sum() == 3
    burst = by_name["variance burst"].plant(stretch, 800, 4.0)
    assert np.std(burst) > 2 * np.std(stretch)


def test_a_season_is_found_where_there_is_one_and_its_break_is_planted():
    at = np.arange(2400)
    assert season_of(4 * np.sin(2 * np.pi * at / 48) + noise(2400)) == 48
    assert season_of(noise(2400)) == 0
    assert season_of(np.ones(2400)) == 0
    assert season_of(np.cumsum(noise(2400))) == season_of(np.arange(2400.0)) == 0
    names = [kind.name for kind in kinds_of(history_of(points_of(4 * np.sin(2 * np.pi * at / 48) + noise(2400))))]
    assert names[-1] == "season break"
    assert "season break" not in [kind.name for kind in kinds_of(history_of(points_of(noise())))]


def test_alarms_that_come_by_themselves_are_the_price_but_for_labelled_ones():
    values = noise(3000)
    values[2000::100] += 40.0
    points = points_of(values)
    trials = Trials(history_of(points), lambda: ZScoreDetector(0.001), 1)
    assert trials.episodes >= 9
    points["label"] = np.where(np.abs(values) > 20, 2, 0)
    assert Trials(history_of(points), lambda: ZScoreDetector(0.001), 1).episodes <= trials.episodes - 9


def test_too_short_a_history_is_refused():
    with pytest.raises(ValueError, match="it has 499 readings, 500 are needed"):
        history_of(points_of(noise(LEAST_POINTS - 1)))


def test_where_alarms_come_too_often_to_tell_nothing_is_known_in_the_words_of_the_panel():
    values = noise(1500)
    values[::20] += 50.0
    points = points_of(values)
    (answer,) = answers(history_of(points), ZScoreDetector, [0.001], 1)
    (line,) = sentences(answer, 60.0)
    assert line.startswith("not known: ")
    assert as_objects(answer)["unknown"] == line
    assert table([answer], 60.0)[1].split() == ["spike", "not", "known"]
    panel = LimitsPanel(points, ZScoreDetector, 0.001, 1, lambda: None)
    wait_until(lambda: panel.panel().result == line, SECONDS)


def test_what_is_never_caught_is_said_to_be_and_null_in_json():
    history = history_of(points_of(noise(1500)))
    spike, *_, ramp_down, _, flat, _ = kinds_of(history)
    limits = [Limit(spike, 4.0, 9, 0.0), Limit(ramp_down, 6.0, 9, 20.0), Limit(flat, np.inf, 0, np.nan)]
    answer = Answer(0.001, limits, 3, 1440)
    assert sentences(answer, 60.0) == [
        "spike of 4: caught in 9 of 10, at once",
        "ramp down of 6 an hour: caught in 9 of 10, half of them within 21 points",
        "flat line: not caught in 9 of 10, of whatever size",
    ]
    assert sentences(answer, float("nan"))[1].startswith("ramp down of 0.1 a point: ")
    lines = table([answer, Answer(0.01, limits, 9, 1440)], 60.0)
    assert lines[0].split() == ["caught", "in", "9", "of", "10", "0.001", "0.01"]
    assert lines[-1].split() == ["alarms", "a", "day", "3", "9"]
    assert lines[3].split() == ["flat", "line", "(points)", "not", "caught", "not", "caught"]
    caught = as_objects(answer)["caught_in_9_of_10"]
    assert (caught["spike"]["size"], caught["flat line"]["size"]) == (4.0, None)
