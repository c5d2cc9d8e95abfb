import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.judging.rules import Rules
from streamforest.program.paged_streams import AllStreams, PagedStreams
from streamforest.state import packed
from streamforest.storage import paging
from streamforest.storage.checkpoint import CheckpointError, CheckpointFile, Disk, Saved, as_blocks, read
from streamforest.storage.paging import Pager
from streamforest.stream_names import StreamNames
from streamforest.streams import CHUNK, StreamDetectors

RULES = Rules(direction="up", cool_down=2)


class QuickDisk(Disk):
    """A disk that is asked to hurry: nobody pulls its plug."""

    def sync(self, descriptor):
        pass

    def sync_folder(self, folder):
        pass


def readings(n_streams, n, seed, has_times):
    """A batch of readings of many streams, shuffled, with missing values and times."""
    rng = np.random.default_rng(seed)
    ids, values = rng.integers(0, n_streams, n), rng.normal(size=n)
    values[rng.random(n) < 0.02] = np.nan
    times = 1.7e9 + np.arange(n) * 60.0 if has_times else np.full(n, np.nan)
    return ids, values, np.where(rng.random(n) < 0.9, times, np.nan)


class Kept:
    """Streams in a checkpoint, without a run."""

    def __init__(self, model, path, clock, silence):
        self.streams = PagedStreams(model, 0.01, RULES, silence=silence, threads=1, clock=clock)
        self.file = CheckpointFile(path, QuickDisk())
        saved = self.file.load()[0]
        self.pager, self.now = Pager(self.streams, self.file), 0.0
        if saved is not None:
            self.pager.restore(dict(saved.state), self.file.pages)

    def write_page(self):
        self.now += 1e-3
        work = self.pager.page_work(self.now, self.now)
        if work is not None:
            work()

    def write(self):
        self.now += 1e-3
        rest, pages = self.pager.checkpoint_work(self.now)()
        self.file.write(Saved({}, rest, pages))
        self.pager.is_written()


@settings(max_examples=25)
@given(
    st.integers(1, 3 * CHUNK),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 3)), min_size=1, max_size=8),
    st.sampled_from([None, 40.0, 5000.0]),
    st.booleans(),
    st.integers(0, 99),
)
def test_streams_that_go_on_from_pages_and_the_readings_since_give_the_same_bits_and_are_dropped_alike(
    model, tmp_path_factory, n_streams, acts, silence, has_times, seed
):
    path, clock = tmp_path_factory.mktemp("kept") / "state", [1000.0]
    batches = readings(n_streams, 2000, seed, has_times)
    never_left = StreamDetectors(model, 0.01, RULES, silence=silence, clock=lambda: clock[0])
    kept = Kept(model, path, lambda: clock[0], silence)
    cuts = sorted(place for place, _ in acts)
    parts = zip(*(np.split(column, cuts) for column in batches), strict=True)
    for part, act in zip(parts, [*(act for _, act in acts), 0], strict=True):
        clock[0] += 20.0
        expected = never_left.update(*part)
        assert kept.streams.update(*part).tobytes() == expected.tobytes()
        assert sorted(kept.streams.dropped) == sorted(never_left.dropped)
        kept.write_page()
        if act > 0:
            kept.write()
        if act > 1:
            kept.file.close()
            kept = Kept(model, path, lambda: clock[0], silence)
            assert set(kept.streams) == set(never_left)
    kept.file.close()


@pytest.fixture
def kept(model, tmp_path):
    """Streams in a checkpoint of one page and a log."""
    kept = Kept(model, tmp_path / "state", lambda: 0.0, None)
    kept.streams.update([0, 1], [1.0, 2.0])
    kept.write()
    kept.streams.update([0, 1, 2], [1.0, 2.0, 3.0], [1.0, np.nan, 2.0])
    kept.now -= 1e-3  # too early for another page
    kept.write()
    kept.file.close()
    return kept


def resumed(model, tmp_path, **limits):
    streams = PagedStreams(model, 0.01, RULES, threads=1, **limits)
    file = CheckpointFile(tmp_path / "state", QuickDisk())
    try:
        Pager(streams, file).restore(dict(file.load()[0].state), file.pages)
    finally:
        file.close()
    return streams


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("slots", lambda slots: slots + CHUNK, "none"),
        ("slots", lambda slots: -slots - 1, "none"),
        ("slots", lambda slots: slots.astype(np.int64), "no slots"),
        ("slots", lambda slots: slots[1:], "another one"),
        ("values", lambda values: values + np.inf, "none"),
        ("times", lambda times: times - np.inf, "none"),
        ("times", lambda times: np.where(times > 0, 1e18, times), "none"),
        ("times", lambda times: times[1:], "no times"),
    ],
)
def test_a_forged_log_is_refused_before_anything_follows_it(kept, model, tmp_path, name, make, words):
    path = tmp_path / "state.pages" / str(kept.pager._logs[0][0])
    state = read(path).state
    path.write_bytes(b"".join(as_blocks(Saved({}, state | {name: make(state[name])}))))
    with pytest.raises(ValueError, match=words):
        resumed(model, tmp_path)


def test_a_forged_reading_of_no_stream_is_forgotten(kept, model, tmp_path):
    path = tmp_path / "state.pages" / str(kept.pager._logs[0][0])
    state = read(path).state
    path.write_bytes(b"".join(as_blocks(Saved({}, state | {"slots": state["slots"] + 7}))))
    streams = resumed(model, tmp_path, silence=100.0)
    streams.update([0, 1, 0, 1], np.zeros(4), np.repeat([2e9, 3e9], 2))
    assert set(streams) == {0, 1, 2}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda state: state | {"page": np.array([1])}, "page 0 of the saved streams is another one"),
        (lambda state: state | {"newest": state["newest"][1:]}, "no newest"),
        (lambda state: state | {"records": np.zeros(CHUNK + 1, state["records"].dtype)}, "no newest|another one"),
        (lambda state: state | {"records": np.zeros(2)}, "no records"),
    ],
)
def test_a_forged_page_is_refused_before_anything_follows_it(kept, model, tmp_path, make, words):
    path = tmp_path / "state.pages" / str(kept.pager._files[0])
    path.write_bytes(b"".join(as_blocks(Saved({}, make(read(path).state)))))
    with pytest.raises(ValueError, match=words):
        resumed(model, tmp_path)


@pytest.mark.usefixtures("kept")
def test_more_streams_than_are_allowed_are_refused(model, tmp_path):
    assert set(resumed(model, tmp_path, most=3)) == {0, 1, 2}
    with pytest.raises(ValueError, match=r"3 saved streams, allowed are 2 \(most\)"):
        resumed(model, tmp_path, most=2)


@pytest.mark.usefixtures("kept")
def test_a_page_that_is_gone_ends_in_one_line(model, tmp_path):
    for page in (tmp_path / "state.pages").iterdir():
        page.unlink()
    with pytest.raises(CheckpointError, match=r"is not whole: .*cannot be read: No such file"):
        resumed(model, tmp_path)


@pytest.mark.usefixtures("kept")
def test_the_log_of_a_run_that_went_on_is_as_short_as_that_of_a_new_one(model, tmp_path):
    streams = resumed(model, tmp_path)
    assert streams.log_bytes == 0
    streams.update([0, 1], [1.0, 2.0])
    assert streams.log_bytes == 40
    assert streams.log_bytes < paging.MOST_LOG


@pytest.mark.parametrize("forged", ["x" * 300, -1, 2, 2.0, True, 2**40])
def test_saved_detectors_of_streams_that_the_run_has_no_names_of_are_refused(model, forged):
    many, other = PagedStreams(model), PagedStreams(model)
    many.update([0, 1], [1.0, 2.0])
    names = StreamNames()
    names.numbers_of(["a", "b"])
    state = AllStreams(many, names.has).state()
    part = AllStreams(other, names.has)
    part.restore(state)
    assert list(other) == [0, 1]
    with pytest.raises(ValueError, match="no saved names"):
        part.restore(state | {"names": packed([0, forged])})
    assert list(other) == [0, 1]
    rest = many.rest() | {"names": packed([0, forged, *[None] * (CHUNK - 2)])}
    with pytest.raises(ValueError, match="no saved names"):
        other.restore_pages(rest, {}, iter(()), np.zeros(1, np.int64))
