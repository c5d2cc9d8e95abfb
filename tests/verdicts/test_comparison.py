import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.detectors.z_score import ZScoreDetector
from streamforest.verdicts.comparison import Agreement, DetectorComparison
from streamforest.verdicts.counts import RunCounts
from streamforest.verdicts.episodes import EPISODE_GAP


def naive_agreement(numbers):
    """Episodes and who shares whose, from whole histories."""
    stretches = [
        [np.flatnonzero(row == number)[[0, -1]] for number in dict.fromkeys(row[row > 0].tolist())] for row in numbers
    ]
    reach = EPISODE_GAP + 1
    shared = [
        [
            sum(
                bool(row[max(0, a - reach) : min(b + reach + 1, behind)].any())
                for (a, b), behind in zip(mine, [*(begun for begun, _ in mine[1:]), numbers.shape[1]], strict=False)
            )
            for row in numbers
        ]
        for mine in stretches
    ]
    return [len(mine) for mine in stretches], shared


def numbered(flags, gaps):
    """The number of each flagged point's episode, which survives so many calm points."""
    numbers = np.zeros(flags.shape, np.int64)
    for row, gap, found in zip(flags, gaps, numbers, strict=True):
        places = np.flatnonzero(row)
        found[places] = 1 + np.cumsum(np.r_[0, np.diff(places) - 1 > gap])[: len(places)]
    return numbers


@given(
    st.integers(0, 10_000),
    st.floats(0.01, 0.5),
    st.lists(st.integers(0, 120), max_size=4),
    st.tuples(*[st.sampled_from([0, EPISODE_GAP, 30])] * 3),
)
def test_episodes_are_shared_as_the_whole_histories_say_however_the_stream_is_cut(seed, share, cuts, gaps):
    flags = np.random.default_rng(seed).random((3, 120)) < share * np.array([[1.0], [0.5], [0.1]])
    numbers = numbered(flags, gaps)
    agreement, first = Agreement(3), 1000
    for part in np.split(numbers, sorted(cuts), axis=1):
        agreement.add(first, part)
        first += part.shape[1]
    episodes, shared = naive_agreement(numbers)
    assert agreement.points.tolist() == flags.sum(axis=1).tolist()
    assert agreement.episodes.tolist() == episodes
    assert agreement.shared.tolist() == shared


class Named(ZScoreDetector):
    def __init__(self, name, rate):
        super().__init__(rate)
        self.name = name


def stream(n, seed=1):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=n)
    values[rng.random(n) < 0.02] += 12.0
    return values


def judged(comparison, values, labels=-1, blocks=7):
    for part in np.array_split(values, blocks):
        verdicts = comparison.update_many(part)
        verdicts["label"] = labels
        comparison.write(verdicts)
        yield verdicts


def compared(rates=(0.02, 0.05, 1e-5)):
    first, *others = (Named(f"at {rate:g}", rate) for rate in rates)
    return DetectorComparison(first, others, 500)


def test_the_first_decides_and_the_others_flag_along():
    values = stream(2000)
    comparison = compared()
    found = np.concatenate(list(judged(comparison, values)))
    alone = [Named("alone", rate).update_many(values) for rate in (0.02, 0.05, 1e-5)]
    assert found.tobytes() == alone[0].tobytes()
    expected = np.array([verdicts["is_anomaly"][1500:] for verdicts in alone[1:]])
    np.testing.assert_array_equal(comparison.marks.view(1500, 1999), expected)
    np.testing.assert_array_equal(comparison.flags, expected[:, -comparison.flags.shape[1] :])
    assert comparison.names == ("at 0.02", "at 0.05", "at 1e-05")
    assert comparison.name == "at 0.02"
    assert comparison.warm_up_points == ZScoreDetector.warm_up_points


def test_the_table_has_a_row_a_detector_and_is_told_in_lines_of_one_width():
    comparison = compared()
    list(judged(comparison, stream(2000)))
    header, *rows = comparison.table()
    assert header == [
        *("detector", "flagged points", "episodes"),
        *("shared by at 0.02", "shared by at 0.05", "shared by at 1e-05"),
    ]
    assert [row[0] for row in rows] == list(comparison.names)
    assert float(rows[2][3]) == 1.0, "what is rare at 1e-5 is so at 0.02"
    assert float(rows[0][5]) < 1.0
    assert rows[0][3] == rows[1][4] == rows[2][5] == ""
    (name, shared, episodes), _ = comparison.shared()
    assert (name, str(episodes)) == ("at 0.05", rows[0][2])
    assert shared / episodes == pytest.approx(float(rows[0][4]), abs=5e-4)
    title, *lines = comparison.summary().splitlines()
    assert title.startswith("agreement: [1] decides")
    assert [line.split()[0] for line in lines] == ["detector", "[1]", "[2]", "[3]"]


def test_with_labels_each_detector_is_held_against_them():
    comparison = compared()
    values = stream(2000)
    for part in np.array_split(values, 5):
        verdicts = comparison.update_many(part)
        verdicts["label"] = np.where(part > 8.0, 1, 0)
        comparison.write(verdicts)
    header, *rows = comparison.table()
    assert header[-3:] == ["precision", "recall", "F1"]
    assert all(0.0 < float(cell) <= 1.0 for cell in (*rows[0][-3:], *rows[1][-3:]))


def test_the_episodes_that_are_shared_are_those_that_the_run_counts():
    comparison, counts = compared(), RunCounts(0.02)
    for verdicts in judged(comparison, stream(2000)):
        counts.add(verdicts)
    assert {episodes for _, _, episodes in comparison.shared()} == {counts.episodes}


def test_before_the_first_episode_nothing_is_shared():
    assert compared().table()[1][1:] == ["0", "0", "", "", ""]
    assert compared().shared() == (("at 0.05", 0, 0), ("at 1e-05", 0, 0))


def test_a_restored_comparison_goes_on_with_the_same_bits():
    values = stream(2000)
    whole, resumed = compared(), compared()
    whole.catch_up(values[:1000], np.full(1000, np.nan))
    resumed.restore(whole.state())
    expected = np.concatenate(list(judged(whole, values[1000:])))
    assert np.concatenate(list(judged(resumed, values[1000:]))).tobytes() == expected.tobytes()
    assert whole.flags.tobytes() == resumed.flags.tobytes()


def test_it_goes_on_from_a_state_with_all_counts():
    values = stream(2000)
    whole, first, second = compared(), compared(), compared()
    list(judged(whole, values, labels=0, blocks=1))
    list(judged(first, values[:700], labels=0))
    second.restore(first.state())
    list(judged(second, values[700:], labels=0))
    assert second.table() == whole.table()
    assert second.shared() == whole.shared()
