from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.protocols import STREAM_VERDICT_DTYPE, VERDICT_DTYPE
from streamforest.state import packed
from streamforest.stream_names import StreamNames
from streamforest.verdicts.episodes import EPISODE_GAP, UNUSUAL, EpisodeFold, EpisodeFolds


def verdicts_of(flags, scores=None, gap=EPISODE_GAP):
    """Verdicts with these flags; episodes numbered the obvious way."""
    verdicts = np.zeros(len(flags), VERDICT_DTYPE)
    verdicts["index"] = np.arange(len(flags))
    verdicts["is_anomaly"] = flags
    verdicts["p_value"] = np.where(flags, 0.0001, 0.5)
    verdicts["score"] = 0.5 if scores is None else scores
    number, last = 0, None
    for index in np.flatnonzero(verdicts["is_anomaly"]):
        number += last is None or index - last - 1 > gap
        verdicts["episode"][index] = number
        last = index
    return verdicts


def in_stream(verdicts, number):
    """The same verdicts as those of one of many streams."""
    rows = np.zeros(len(verdicts), STREAM_VERDICT_DTYPE)
    for name in VERDICT_DTYPE.names:
        rows[name] = verdicts[name]
    rows["stream"] = number
    return rows


def interleaved(parts, seed):
    """The rows of several streams mixed at random, each stream's in order."""
    whose = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(parts)), [len(part) for part in parts]))
    rows = np.zeros(len(whose), STREAM_VERDICT_DTYPE)
    for number, part in enumerate(parts):
        rows[whose == number] = part
    return rows


def happenings_of(verdicts, cuts=()):
    fold = EpisodeFold()
    blocks = [block for block in np.split(verdicts, sorted(cuts)) if len(block)]
    return [happening for block in blocks for happening in fold.add(block)] + fold.finish()


def flags_of(text):
    return [letter == "!" for letter in text]


def test_an_episode_has_a_start_a_peak_an_end_and_its_points():
    verdicts = verdicts_of(flags_of("..!!.!......."), scores=[0, 0, 0.7, 0.9, 1.0, 0.8, 0, 0, 0, 0, 0, 0, 0])
    (start, first), (end, last) = happenings_of(verdicts)
    assert (start, end) == ("start", "end")
    assert (first.number, first.points, first.start.index, first.last.index) == (1, 1, 2, 2)
    assert (last.number, last.points, last.start.index, last.peak.index, last.last.index) == (1, 3, 2, 3, 5)


def test_of_equal_peaks_the_first_counts():
    (_, _), (_, episode) = happenings_of(verdicts_of(flags_of("!!!"), scores=[0.6, 0.8, 0.8]))
    assert episode.peak.index == 1


@pytest.mark.parametrize(("normal", "episodes"), [(EPISODE_GAP, 1), (EPISODE_GAP + 1, 2)])
def test_an_episode_survives_as_many_normal_points_as_the_gap(normal, episodes):
    happenings = happenings_of(verdicts_of(flags_of("!" + "." * normal + "!")))
    assert [kind for kind, _ in happenings] == ["start", "end"] * episodes


def test_an_end_is_told_with_the_first_normal_point_beyond_the_gap():
    verdicts = verdicts_of(flags_of("!" + "." * (EPISODE_GAP + 1)))
    fold = EpisodeFold()
    assert [kind for kind, _ in fold.add(verdicts[:-1])] == ["start"]
    assert fold.open is not None
    assert [kind for kind, _ in fold.add(verdicts[-1:])] == ["end"]
    assert fold.open is None
    assert fold.finish() == []


def test_an_unusual_point_keeps_an_episode_open_and_opens_none():
    verdicts = verdicts_of(flags_of("..!" + "." * 30))
    verdicts["p_value"][[0, 6, 12]] = np.nextafter(UNUSUAL, 0)
    verdicts["p_value"][18] = UNUSUAL  # calm
    fold = EpisodeFold()
    said = [(i, kind) for i in range(len(verdicts)) for kind, _ in fold.add(verdicts[i : i + 1])]
    assert said == [(2, "start"), (12 + EPISODE_GAP + 1, "end")]


def test_another_number_is_another_episode_even_without_a_gap():
    verdicts = verdicts_of(flags_of("!!"))
    verdicts["episode"] = [1, 2]
    assert [(kind, episode.number) for kind, episode in happenings_of(verdicts)] == [
        ("start", 1),
        ("end", 1),
        ("start", 2),
        ("end", 2),
    ]


def test_an_anomalous_point_without_a_score_is_never_the_peak_of_one_with():
    (_, _), (_, episode) = happenings_of(verdicts_of(flags_of("!!"), scores=[np.nan, 0.1]))
    assert episode.peak.index == 1


POINTS = st.tuples(st.booleans(), st.sampled_from([0.5, 0.7, 0.9, np.nan]), st.sampled_from([0.001, 0.3, np.nan]))


@given(st.lists(POINTS, min_size=1, max_size=60), st.data())
def test_any_split_into_blocks_gives_the_same_happenings(points, data):
    flags, scores, p_values = zip(*points, strict=True)
    verdicts = verdicts_of(flags, scores)
    verdicts["p_value"] = p_values
    cuts = data.draw(st.lists(st.integers(0, len(points))))
    assert happenings_of(verdicts, cuts) == happenings_of(verdicts)


@given(st.lists(st.booleans(), min_size=1, max_size=80))
def test_starts_and_ends_alternate_and_hold_every_anomalous_point(flags):
    happenings = happenings_of(verdicts_of(flags))
    assert [kind for kind, _ in happenings] == ["start", "end"] * (len(happenings) // 2)
    assert sum(episode.points for kind, episode in happenings if kind == "end") == sum(flags)
    assert [episode.number for kind, episode in happenings if kind == "end"] == list(range(1, len(happenings) // 2 + 1))


@settings(deadline=None)
@given(st.lists(st.lists(st.booleans(), max_size=40), min_size=1, max_size=4), st.integers(0, 99), st.data())
def test_of_many_streams_each_has_the_episodes_that_it_has_alone(streams, seed, data):
    names = StreamNames()
    numbers = names.numbers_of([f"key {k}" for k in range(len(streams))])
    parts = [in_stream(verdicts_of(flags), number) for flags, number in zip(streams, numbers, strict=True)]
    block = interleaved(parts, seed)
    folds = EpisodeFolds(names=names)
    cuts = data.draw(st.lists(st.integers(0, len(block)), max_size=4))
    said = [one for piece in np.split(block, sorted(cuts)) if len(piece) for one in folds.add(piece)] + folds.finish()
    assert folds.open == []
    for flags, number in zip(streams, numbers, strict=True):
        mine = [(kind, episode) for kind, episode in said if episode.stream == number]
        assert {episode.key for _, episode in mine} <= {names.key_of(number)}
        alone = [
            (kind, replace(episode, stream=number, key=names.key_of(number)))
            for kind, episode in happenings_of(verdicts_of(flags))
        ]
        assert mine == alone


def test_happenings_of_one_block_stand_in_the_order_of_its_points():
    names = StreamNames()
    one, two = names.numbers_of(["one", "two"])
    block = np.concatenate(
        [
            in_stream(verdicts_of(flags_of("!..........!.......")), one),
            in_stream(verdicts_of(flags_of(".!...............")), two),
        ]
    )
    block = block[np.argsort(block["index"], kind="stable")]
    said = [(kind, episode.key, episode.number) for kind, episode in EpisodeFolds(names=names).add(block)]
    first = [("start", "one", 1), ("start", "two", 1), ("end", "one", 1), ("end", "two", 1)]
    assert said == [*first, ("start", "one", 2), ("end", "one", 2)]


def test_an_episode_of_a_dropped_stream_ends_when_another_takes_its_number():
    names = StreamNames()
    (number,) = names.numbers_of(["old"])
    folds = EpisodeFolds(names=names)
    assert [kind for kind, _ in folds.add(in_stream(verdicts_of(flags_of("..!")), number))] == ["start"]
    names.drop([number])
    names.numbers_of(["new"])
    said = folds.add(in_stream(verdicts_of(flags_of("!......")), number))
    assert [(kind, episode.key) for kind, episode in said] == [("end", "old"), ("start", "new"), ("end", "new")]


@settings(deadline=None)
@given(st.lists(st.lists(POINTS, max_size=40), min_size=1, max_size=4), st.integers(0, 99), st.data())
def test_of_many_streams_all_is_told_in_one_order_however_they_are_cut_and_resumed(streams, seed, data):
    names = StreamNames()
    numbers = names.numbers_of([f"key {k}" for k in range(len(streams))])
    parts = []
    for points, number in zip(streams, numbers, strict=True):
        verdicts = verdicts_of([point[0] for point in points])
        verdicts["score"], verdicts["p_value"] = [point[1] for point in points], [point[2] for point in points]
        parts.append(in_stream(verdicts, number))
    block = interleaved(parts, seed)
    whole = EpisodeFolds(1, names)
    expected = (whole.add(block) if len(block) else []) + whole.finish()
    said, folds = [], EpisodeFolds(1, names)
    for piece in np.split(block, sorted(data.draw(st.lists(st.integers(0, len(block)), max_size=6)))):
        said += folds.add(piece) if len(piece) else []
        if data.draw(st.booleans()):
            state, folds = folds.state(), EpisodeFolds(1, names)
            folds.restore(state)
    assert said + folds.finish() == expected


def test_an_episode_of_a_dropped_stream_keeps_its_key_from_run_to_run():
    names = StreamNames()
    (number,) = names.numbers_of(["old"])
    folds = EpisodeFolds(names=names)
    folds.add(in_stream(verdicts_of(flags_of("..!")), number))
    names.drop([number])
    later = EpisodeFolds(names=names)
    later.restore(folds.state())
    assert [(kind, episode.key) for kind, episode in later.finish()] == [("end", "old")]


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=2, max_size=60), st.data())
def test_a_fold_that_goes_on_from_a_state_tells_what_the_whole_one_does(flags, data):
    verdicts = verdicts_of(flags)
    verdicts["time"], verdicts["expected"] = np.nan, 0.1
    cut = data.draw(st.integers(1, len(flags) - 1))
    first, second = EpisodeFold(), EpisodeFold()
    said = first.add(verdicts[:cut])
    second.restore(first.state())
    assert second.open == first.open
    assert said + second.add(verdicts[cut:]) + second.finish() == happenings_of(verdicts)


@pytest.mark.parametrize("facts", [None, [1], [1, [2]], [1, [1, [], [], [], 1]], [1, 2]])
def test_what_is_no_state_is_refused(facts):
    with pytest.raises(ValueError, match="saved"):
        EpisodeFold().restore({"fold": packed(facts)})
    with pytest.raises(ValueError, match="saved"):
        EpisodeFolds(names=StreamNames()).restore({"folds": packed(facts if facts is None else [facts])})
