from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.program.summary.markup import Column, Section, Table, printable
from streamforest.text import escaped
from tests.pages import Reader, page_of, stream


@given(st.text(max_size=200))
@settings(max_examples=30, deadline=None)
def test_any_name_is_read_back_from_the_heading(name):
    read = Reader(page_of(stream(0), source=name))
    heading = "".join(read.words).partition("summary of a run\n")[2]
    assert heading.startswith(escaped(name))


def test_every_text_of_a_section_is_made_printable():
    section = Section("a\x1b", table=Table((Column("b\ud800"),), [("c\n", "d")]))
    expected = Section("a\\x1b", cards=[], table=Table([Column("b\\ud800")], [["c\\n", "d"]]))
    assert printable([section]) == [expected]
    assert printable({"e\x00": 5}) == {"e\\x00": 5}
