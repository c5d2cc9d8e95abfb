import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.protocols import SourceError
from streamforest.reading.bookmark import START, Bookmark
from streamforest.reading.column_layout import Layout
from streamforest.reading.line_reader import LIMIT, RowReader, Seam
from streamforest.reading.number_form import NumberForm
from streamforest.reading.time_form import Period
from streamforest.state import packed
from streamforest.terminal.stop import StopFlag


@pytest.fixture(scope="module")
def stop():
    flag = StopFlag()
    yield flag
    flag.close()


def blocks_of(text, stop, most, chunk, bookmark, reader=None):
    reader = reader or RowReader("a text")
    text = text[bookmark.place.offset :]
    chunks = (text[at : at + chunk] for at in range(0, len(text), chunk))
    return bookmark.follow(reader.blocks(chunks, stop, most))


PLAIN = ["2024-05-01T00:00:00,1,0", "2024-05-01T00:00:01,2.5,1", "2024-05-01T00:00:02,n/a,0"]
line = st.sampled_from(
    [*PLAIN, "5", "", "time,value,label", "x,y", " ", "###\x00", "\ufeff", "\udcff", "a" * (LIMIT + 5)]
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(line, min_size=1, max_size=12),
    st.integers(1, 4),
    st.sampled_from([7, 100, LIMIT]),
    st.data(),
    st.booleans(),
)
def test_wherever_it_is_left_the_text_is_read_on_with_the_next_row(stop, lines, most, chunk, data, is_ended):
    rows = ["time,value,label", "2024-05-01T00:00:00,1,0"] if data.draw(st.booleans()) else []
    text = ("\n".join([*rows, *lines]) + "\n" * is_ended).encode(errors="surrogateescape")
    try:
        whole = [list(block) for block in blocks_of(text, stop, most, chunk, Bookmark())]
    except SourceError:
        return  # the columns cannot be told
    expected = [item for block in whole for item in block]
    left = data.draw(st.integers(0, len(whole)))
    first, second = Bookmark(), Bookmark()
    blocks = blocks_of(text, stop, most, chunk, first)
    found = [item for _, block in zip(range(left), blocks, strict=False) for item in block]
    second.restore(first.state())
    reader = RowReader("a text")
    reader.go_on(second.place, second.earlier)
    again = data.draw(st.integers(1, 4))
    found += [item for block in blocks_of(text, stop, again, chunk, second, reader) for item in block]
    assert repr(found) == repr(expected)


@pytest.mark.parametrize("text", ["value,id\n###\x00\n5,3\n6,4\n", "a,b\nx,\n###\x00\nx,5\n"])
@pytest.mark.parametrize("chunk", [1, LIMIT])
@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize("left", [1, 2])
def test_a_header_is_not_lost_and_no_line_is_read_twice_where_columns_are_told_late(stop, text, chunk, most, left):
    whole = [item for block in blocks_of(text.encode(), stop, most, chunk, Bookmark()) for item in block]
    first, second = Bookmark(), Bookmark()
    blocks = blocks_of(text.encode(), stop, most, chunk, first)
    found = [item for _, block in zip(range(left), blocks, strict=False) for item in block]
    second.restore(first.state())
    reader = RowReader("a text")
    reader.go_on(second.place, second.earlier)
    found += [item for block in blocks_of(text.encode(), stop, 5, LIMIT, second, reader) for item in block]
    assert len(whole) == 3
    assert repr(found) == repr(whole)


def test_a_place_is_known_at_once_where_the_columns_are(stop):
    text = b"time,value\n" + b"2024-05-01,1\n" * 10
    bookmark = Bookmark()
    blocks = blocks_of(text, stop, 3, LIMIT, bookmark)
    next(blocks)
    assert (bookmark.place.offset, bookmark.place.lines, bookmark.beyond) == (11 + 3 * 13, 4, 0)
    assert bookmark.place.layout.names == ("time", "value")


def test_a_held_bookmark_only_counts_and_another_text_begins_at_its_start(stop):
    bookmark, reader = Bookmark(), RowReader("a text")
    chunks = iter([b"time,value\n2024-05-01,1\n2024-05-01,2", Seam.WHOLE])
    blocks = bookmark.follow(reader.blocks(chunks, stop, 10))
    next(blocks)
    place = bookmark.place
    bookmark.hold()
    assert len(next(blocks)) == 1
    assert (bookmark.place, bookmark.beyond) == (place, 1)
    bookmark.turn(reader.newest_layout)
    assert (bookmark.place, bookmark.beyond, bookmark.earlier.names) == (START, 0, ("time", "value"))
    other = Bookmark()
    other.restore(bookmark.state())
    assert (other.place, other.beyond, other.earlier) == (START, 0, bookmark.earlier)


@pytest.mark.parametrize(
    "forged",
    [
        *({"value": 9}, {"clock": -1}, {"offset": 7}, {"notation": "x"}, {"coding": "rot13"}, {"zone": "x"}),
        *({"time_form": "elapsed x"}, {"time_form": "weeks since 1970-01-01"}, {"period": Period(0, 1)}),
    ],
    ids=str,
)
def test_columns_that_cannot_be_are_refused_at_once_also_those_of_the_text_before(forged):
    layout = Layout(("a", "b"), 0, 1, None, ",", number=NumberForm(","), zone="+02:00", time_form="dmy", clock=1)
    layout = layout._replace(offset=0, period=Period(1800, 1))
    good = Bookmark()
    good.restore({"bookmark": packed([9, 1, layout, 0, layout])})
    assert good.place.layout == good.earlier == layout
    for state in ([9, 1, layout._replace(**forged), 0, None], [9, 1, None, 0, layout._replace(**forged)]):
        with pytest.raises(ValueError, match=r"saved|no time zone|no form"):
            Bookmark().restore({"bookmark": packed(state)})


def test_what_is_no_state_is_refused():
    with pytest.raises(ValueError, match="the saved state"):
        Bookmark().restore({"bookmark": np.zeros(3)})
