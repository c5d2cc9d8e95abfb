"""Names of episodes at their end: each stream below is one that a person would call by that name."""

import numpy as np
import pytest

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.protocols import REASONS, VERDICT_DTYPE
from streamforest.simulation.streams import SimulatedStream, default_profile
from streamforest.state import packed, unpacked
from streamforest.verdicts.episodes import EpisodeFold
from streamforest.verdicts.trajectory import MOST_POINTS
from streamforest.wording import kind_text

CALM = [10.0] * 12


def verdicts_of(values, flagged, reasons=None, expected=None):
    """A stream around 10 whose band is 8 to 12, with some points anomalous."""
    rows = np.zeros(len(values), VERDICT_DTYPE)
    rows["index"], rows["value"], rows["p_value"], rows["score"] = np.arange(len(values)), values, 0.5, 0.3
    rows["expected"] = 10.0 if expected is None else expected
    rows["lower"], rows["upper"] = rows["expected"] - 2, rows["expected"] + 2
    for place, index in enumerate(flagged):
        off = rows["value"][index] - rows["expected"][index]
        name = ("spike" if off > 0 else "dip") if reasons is None else reasons[place]
        rows["is_anomaly"][index], rows["episode"][index], rows["p_value"][index] = True, 1, 1e-4
        rows["reason"][index], rows["score"][index] = REASONS.index(name), 0.5 + 0.01 * abs(off)
    return rows


def ends_of(rows, every=1):
    fold = EpisodeFold()
    said = [one for first in range(0, len(rows), every) for one in fold.add(rows[first : first + every])]
    return [episode for happening, episode in said + fold.finish() if happening == "end"]


def name_of(rows):
    (episode,) = ends_of(rows)
    return kind_text(episode.peak)


def drawn(kind, seed):
    """A stream with noise of 1, and from the 1,200th point on 40 of a kind."""
    noise = np.random.default_rng(seed).normal(size=1300)
    cycle = 15.0 * np.sin(2 * np.pi * np.arange(1300) / 50)
    here, steps = slice(1200, 1240), np.arange(1, 41)
    off = np.zeros(1300)
    if kind == "spike":
        off[1200] = 12.0
    elif kind == "variance up":
        off[here] = 8.0 * noise[here]
    elif kind == "season break":
        off[here] = np.roll(cycle, -20)[here] - cycle[here]
    else:
        shape = 12.0 if kind.startswith("level shift") else 16.0 * steps / 40.0
        off[here] = shape if kind.endswith("up") else -shape
    return 50.0 + noise + off + (cycle if kind == "season break" else 0.0)


@pytest.mark.parametrize(
    "kind",
    ["spike", "level shift up", "level shift down", "ramp up", "ramp down", "variance up", "season break"],
)
def test_what_is_drawn_by_hand_has_its_name_at_its_end(model, kind):
    names = []
    for seed in range(8):
        rows = StreamDetector(model).update_many(drawn(kind, seed))
        names += [kind_text(one.peak) for one in ends_of(rows, len(rows)) if 1198 <= one.start.index < 1245][:1]
    assert len(names) == 8, names
    assert names.count(kind) >= 7, names


def test_a_jump_that_the_forecasts_accept_at_once_is_no_season_break(model):
    """Such as the ways to a level and back: most of the default stream's longer anomalies are two marked points."""
    names = []
    for seed in range(1, 7):
        stream, events = SimulatedStream(default_profile(), seed, 0.02), []
        stream.on_event = events.append
        rows = StreamDetector(model).update_many(stream.take(4000)[0])
        jumps = [place for one in events if one.kind in ("level shift", "ramp") for place in (one.start, one.end)]
        ends = [one for one in ends_of(rows, len(rows)) if min(abs(one.start.index - place) for place in jumps) <= 2]
        names += [kind_text(one.peak) for one in ends]
    shifts = [name for name in names if name.startswith(("level shift", "ramp"))]
    assert len(shifts) >= 0.6 * len(names) >= 6, names
    assert names.count("season break") <= 0.1 * len(names), names


def test_a_spike_in_front_of_a_step_that_was_foreseen_is_no_level_shift():
    foreseen = [10.0] * 13 + [17.0] * 12
    assert name_of(verdicts_of([*CALM, 20.0, *[17.0] * 12], [12], expected=foreseen)) == "spike"


def test_points_far_off_to_both_sides_in_turn_are_a_burst_and_spikes_with_calm_between_them_none():
    burst = [16.0, 9.0, 4.5, 12.0, 15.0, 6.0, 13.0, 7.5, 11.5]
    assert name_of(verdicts_of([*CALM, *burst, *CALM[:6]], [12, 14, 16, 17])) == "variance up"
    apart = [20.0, 10.1, 9.9, 10.2, 0.0, 10.1, 9.8, 10.0, 20.0, 10.0]
    assert name_of(verdicts_of([*CALM, *apart, *CALM], [12, 16, 20])) == "spike"


@pytest.mark.parametrize("way", [1, -1])
def test_a_climb_that_its_beginning_is_taken_for_a_shift_is_a_ramp(way):
    climb = 10 + way * np.linspace(1.0, 9.0, 16)
    values = [*CALM, *climb, *CALM]
    expected = [*CALM, *(climb - way * 0.5), *CALM]
    name = f"level shift {'up' if way > 0 else 'down'}"
    rows = verdicts_of(values, [13, 14, 16], [name] * 3, expected)
    assert name_of(rows) == f"ramp {'up' if way > 0 else 'down'}"


def test_an_episode_is_what_most_of_its_points_say_and_a_dip_in_a_flat_line_is_told_as_one_when_it_comes():
    values = [*CALM, *[11.0] * 8, 2.0, *CALM]
    rows = verdicts_of(values, range(12, 21), ["flat line"] * 9)
    said = EpisodeFold().add(rows)
    assert [(happening, kind_text(episode.peak)) for happening, episode in said] == [
        ("start", "flat line"),
        ("worse", "dip"),
        ("end", "flat line"),
    ]


def test_without_a_band_and_with_too_few_points_an_episode_is_what_its_peak_says():
    rows = verdicts_of([*CALM, *[20.0] * 10], [12, 13])
    for name in ("expected", "lower", "upper"):
        rows[name] = np.nan
    assert name_of(rows) == "spike"
    assert name_of(verdicts_of([*CALM, 20.0, 20.0, 20.0], [12, 13, 14])) == "spike"


@pytest.mark.parametrize("seed", range(20))
def test_the_name_is_the_same_however_the_stream_is_cut_and_saved(seed):
    rng = np.random.default_rng(seed)
    values = np.cumsum(rng.normal(0, 1.5, 200)) + 10
    values[rng.random(200) < 0.05] = np.nan
    rows = verdicts_of(values, np.flatnonzero(rng.random(200) < 0.1), expected=np.r_[10, np.nan_to_num(values)[:-1]])
    rows["episode"] = np.where(rows["is_anomaly"], 1 + rows["index"] // 40, 0)
    whole = ends_of(rows, every=200)
    assert whole == ends_of(rows, every=7) == ends_of(rows)
    fold, said = EpisodeFold(), []
    for row in np.split(rows, 200):
        state = {"fold": packed(fold.facts())}
        fold = EpisodeFold()
        fold.go_on(unpacked(state, "fold"))
        said += fold.add(row)
    assert [episode for happening, episode in said + fold.finish() if happening == "end"] == whole


def test_no_more_than_the_first_points_are_kept():
    rows = verdicts_of([*CALM, *[20.0] * 500], range(12, 512))
    fold = EpisodeFold()
    fold.add(rows)
    assert len(fold.facts()[2][3]) == MOST_POINTS


@pytest.mark.parametrize("trajectory", [None, [], [1, 2.0, 1.0, [[1.0]], {}], [1, 2.0, 1.0, [], {"spike": "a"}]])
def test_a_forged_course_is_refused(trajectory):
    fold = EpisodeFold()
    fold.add(verdicts_of([*CALM, 20.0], [12]))
    alive, episode, _ = unpacked({"fold": packed(fold.facts())}, "fold")
    with pytest.raises(ValueError, match="not of this version"):
        EpisodeFold().go_on([alive, episode, trajectory])


def test_one_point_that_says_a_whole_day_is_odd_is_no_spike():
    rows = verdicts_of([*CALM, 9.0, *CALM], [12], ["season break"])
    assert name_of(rows) == "season break"
