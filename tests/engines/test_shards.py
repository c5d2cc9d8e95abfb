import fcntl
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.reading.notation import BAD_TIME
from tests.batches import RATE, RULES, alone, shuffled

pytest.importorskip("pyarrow")
shards = pytest.importorskip("streamforest.engines.shards")

NOTHING = np.array([], np.int64)


def entry_of(batch, now, slots):
    """A batch of rows as an entry; streams get slots in the order in which they come."""
    streams, times, values = (np.array(column) for column in zip(*batch, strict=True)) if batch else (NOTHING,) * 3
    before = len(slots)
    which = np.array([slots.setdefault(stream, len(slots)) for stream in streams.tolist()], np.int64)
    return shards.Entry(now, now + 5, np.arange(before, len(slots)), which, times.astype(float), values.astype(float))


def found_by_stream(entry, outcomes, order, slots):
    """Outcomes in the form of ``alone``."""
    found, streams = {}, list(slots)
    for slot, one in zip(entry.slots[order].tolist(), outcomes, strict=True):
        verdict = None if one["refusal"] else one["verdict"].tobytes()
        found.setdefault(streams[slot], []).append((verdict, shards.REFUSALS[one["refusal"]] or None))
    return found


def new_shard(pages=2):
    return shards.Shard(np.zeros(pages, shards.PAGE_DTYPE))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.integers(0, 400), st.integers(1, 5), st.integers(0, 99))
def test_streams_that_are_judged_together_have_the_bits_of_one_machine(model, n_streams, n, n_batches, seed):
    batches = shuffled(n_streams, n, n_batches, seed)
    judge = StreamDetector(model, RATE, RULES).judge
    shard, slots, found = new_shard(), {}, {}
    for now, batch in enumerate(batches):
        entry = entry_of(batch, now, slots)
        for stream, rows in found_by_stream(entry, *shard.take(entry, judge), slots).items():
            found.setdefault(stream, []).extend(rows)
    assert found == alone(model, batches)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 300), st.integers(1, 400), st.integers(2, 6), st.integers(0, 99), st.data())
def test_pages_that_were_written_and_the_entries_since_then_give_the_same_records(
    model, n_streams, n, n_batches, seed, data
):
    judge = StreamDetector(model, RATE, RULES).judge
    shard, slots, pages, entries, since = new_shard(), {}, {}, [], np.zeros(2, np.int64)
    for number, batch in enumerate(shuffled(n_streams, n, n_batches, seed), 1):
        entry = entry_of(batch, number, slots)
        shard.take(entry, judge)
        entries.append((number, shards.Entry.read(entry.written())))
        for page in data.draw(st.sets(st.integers(0, 1))):
            pages[page], since[page] = shard.written(page, len(slots)), number
    again = new_shard()
    again.restore(pages, entries, since, judge)
    used = np.arange(len(slots))
    assert again.streams(used).tobytes() == shard.streams(used).tobytes()


def test_a_time_that_cannot_be_read_is_refused_and_teaches_nothing(model):
    shard = new_shard(1)
    entry = shards.Entry(0, 0, np.array([7]), np.array([7, 7]), np.array([math.nan, 5.0]), np.array([1.0, 2.0]))
    outcomes, _ = shard.take(entry, StreamDetector(model).judge)
    assert [shards.REFUSALS[code] for code in outcomes["refusal"]] == ["", BAD_TIME]
    assert outcomes["verdict"]["index"].tolist() == [0, -1]
    assert shard.last_times(np.array([7])).tolist() == [5.0]


def test_a_forged_page_is_refused():
    shard = new_shard(1)
    shard.reset(np.arange(3))
    shard.pages["record"]["features"]["warm"][0, 1] = -5
    with pytest.raises(ValueError, match="warm is outside its range"):
        new_shard(1).restore({0: shard.written(0, 3)}, [], np.zeros(1, np.int64), None)


def test_a_local_copy_is_that_of_the_token_it_was_signed_with(tmp_path):
    path = tmp_path / "of an application" / "copy"
    with shards.LocalCopy(path) as copy:
        assert copy.token == ""
        copy.pages(1)["heard"][0, 3] = 5
        copy.sign("a" * 32)
    with shards.LocalCopy(path) as copy:
        assert copy.token == "a" * 32
        copy.sign("")
        pages = copy.pages(2)
        assert pages["heard"][:, 3].tolist() == [5, 0]
        assert copy.token == ""


def test_pages_of_a_file_that_was_open_before_are_mapped_once_and_its_lock_is_free(tmp_path):
    path = tmp_path / "copy"
    with shards.LocalCopy(path) as copy:
        pages = copy.pages(1)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # or it raises
    with shards.LocalCopy(path) as copy:
        assert np.shares_memory(copy.pages(1), pages)
        assert not np.shares_memory(copy.pages(2), pages)
    path.unlink()
    with shards.LocalCopy(path) as copy:
        assert not np.shares_memory(copy.pages(1), pages)
        copy.pages(1)["heard"][0, 3] = 5
    assert pages["heard"][0, 3] == 0


def test_files_beyond_so_many_are_mapped_anew(tmp_path):
    def opened(number):
        with shards.LocalCopy(tmp_path / str(number)) as copy:
            return copy.pages(1)

    first = opened(0)
    for number in range(1, shards.MAPPED):
        opened(number)
    assert np.shares_memory(opened(0), first)
    for number in range(1, shards.MAPPED + 1):
        opened(number)
    assert not np.shares_memory(opened(0), first)
    assert len(shards._mapped) == shards.MAPPED
