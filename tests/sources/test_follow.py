import gzip
import os
import threading
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamforest.protocols import Reading, Refusal, SourceError
from streamforest.reading.column_layout import Asked
from streamforest.sources import SourceOptions, open_source
from streamforest.sources.follow import PATIENCE, FollowSource
from streamforest.storage import rotation
from streamforest.terminal.stop import StopFlag

HEADER = "time,value\n"


class Scene:
    """Acts upon a file, one each time the source waits for more; the last one is followed by the stop."""

    def __init__(self, acts):
        self.acts, self.requested, self.waits = list(acts), False, []

    def wait(self, seconds):
        self.waits.append(seconds)
        if self.acts:
            self.acts.pop(0)()
        else:
            self.requested = True
        return self.requested

    def fileno(self):
        raise NotImplementedError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "app.log"


@pytest.fixture
def said():
    return []


@pytest.fixture
def follow(path, said):
    """The items that a source yields while the acts are done, one at each of its waits."""

    def follow(*acts, **asked):
        source = FollowSource(path, said.append, Asked(**asked))
        try:
            return [item for block in source.read(Scene(acts), 3) for item in block]
        finally:
            source.close()

    return follow


def append(path, text):
    def act():
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(text)

    return act


def rotate(path, number, text=None):
    """Rename the file away and, with a text, begin a new one of its name."""

    def act():
        path.rename(path.with_name(f"{path.name}.{number}"))
        if text is not None:
            path.write_text(text, encoding="utf-8", newline="")

    return act


def rewrite(path, text):
    return lambda: path.write_text(text, encoding="utf-8", newline="")


def in_order(*acts):
    return lambda: [act() for act in acts]


def values(items):
    return [item.value if isinstance(item, Reading) else item for item in items]


def test_what_is_there_is_read_and_then_what_is_added(path, said, follow):
    path.write_text("1\n2\n")
    assert values(follow(append(path, "3\n"), append(path, "4\n5\n"))) == ["1", "2", "3", "4", "5"]
    assert said == []


def test_a_line_in_two_pieces_is_one_line_and_half_a_line_is_none(path, follow):
    path.write_text("1\n2")
    assert values(follow(append(path, "3"), append(path, "4\n5"))) == ["1", "234"]


def test_a_file_that_is_not_there_yet_is_awaited(path, said, follow):
    assert values(follow(lambda: None, rewrite(path, ""), append(path, "1\n"))) == ["1"]
    assert said == [f"{path} is not there yet: waiting for it", "app.log is a new file: reading it from its start"]


def test_a_rotated_file_is_read_to_its_end_and_then_the_new_one_from_its_start(path, said, follow):
    path.write_text("1\n")
    old = path.with_name("app.log.1")
    acts = (rotate(path, 1), append(old, "2\n"), rewrite(path, ""), append(old, "3\n4"))
    last = in_order(append(old, "0\n5\n"), append(path, "6\n"))
    assert values(follow(*acts, last, append(path, "7\n"))) == ["1", "2", "3", "40", "5", "6", "7"]
    assert said == [
        "app.log is gone (No such file or directory): waiting for a new one",
        "app.log is a new file: reading it from its start",
    ]


def test_what_is_written_between_the_look_at_the_old_files_end_and_the_look_for_a_new_one_is_read(
    path, follow, monkeypatch
):
    path.write_text("1\n")
    old, look = path.with_name("app.log.1"), FollowSource._is_replaced
    acts = [in_order(rotate(path, 1, ""), append(old, "2\n"), append(path, "3\n"))]

    def look_late(source, file):
        if acts:
            acts.pop()()
        return look(source, file)

    monkeypatch.setattr(FollowSource, "_is_replaced", look_late)
    assert values(follow()) == ["1", "2", "3"]


def test_a_new_file_that_is_filled_and_rotated_between_two_looks_is_read_where_it_was_seen_empty(path, follow):
    path.write_text("1\n")
    fill = in_order(append(path, "2\n"), rotate(path, 2, "3\n"))
    assert values(follow(rotate(path, 1, ""), fill)) == ["1", "2", "3"]


def rotate_all(path, text, named=None):
    """Rename the rotated files one step on, as logrotate does, and begin a new one of the name; or give a name."""

    def act():
        if named is None:
            rotation.rotate(path, 9)
        else:
            path.rename(path.with_name(f"{path.name}{named}"))
        path.write_text(text, encoding="utf-8")
        time.sleep(0.01)  # times of files are coarse; numbers are not needed to tell the order

    return act


@pytest.mark.parametrize("dates", [(None,) * 4, ("-20260101", "-20260102", "-20260103-04", "-20260104")])
def test_files_that_come_and_go_between_two_looks_are_read_in_their_order(path, said, follow, dates):
    path.write_text("0\n")
    rotate_all(path, "1\n", dates[0])()
    acts = [rotate_all(path, f"{n}\n", date) for n, date in zip((2, 3, 4), dates[1:], strict=True)]
    assert values(follow(in_order(*acts), append(path, "5\n"))) == ["1", "2", "3", "4", "5"]
    names = [f"app.log{date}" for date in dates[2:]] if dates[0] else ["app.log.2", "app.log.1"]
    more = "app.log was rotated more than once, {} came in between: reading it from its start"
    assert said == [*map(more.format, names), "app.log is a new file: reading it from its start"]


def test_of_a_compressed_file_that_came_in_between_the_size_is_told(path, said, follow):
    path.write_text("1\n")

    def pack():
        old, packed = path.with_name("app.log.1"), path.with_name("app.log.1.gz")
        packed.write_bytes(gzip.compress(old.read_bytes()))
        old.unlink()

    acts = (rotate_all(path, "2\n"), rotate_all(path, "3\n"), pack)
    assert values(follow(in_order(*acts), append(path, "4\n"))) == ["1", "3", "4"]
    size = path.with_name("app.log.1.gz").stat().st_size
    assert said[0] == (
        f"app.log was rotated more than once, app.log.1.gz came in between: compressed, its {size} bytes are missing"
    )


def test_empty_files_that_are_rotated_do_not_keep_the_newest_from_being_read(path, follow):
    path.write_text("1\n")
    acts = [rotate(path, number, "") for number in range(1, 6)]
    assert values(follow(*acts, append(path, "2\n"))) == ["1", "2"]


def test_a_file_that_is_renamed_away_and_back_is_not_read_again(path, follow):
    path.write_text("1\n")
    old = path.with_name("app.log.1")
    assert values(follow(rotate(path, 1, ""), lambda: old.replace(path), append(path, "2\n"))) == ["1", "2"]


def test_the_last_line_of_a_rotated_file_need_not_be_ended(path, follow):
    path.write_text("1\n2")
    assert values(follow(rotate(path, 1, "3\n"))) == ["1", "2", "3"]


def test_a_file_that_is_gone_for_a_while_is_told_once_each_time(path, said, follow):
    path.write_text("1\n")
    nothing = [lambda: None] * 3
    acts = (path.unlink, *nothing, rewrite(path, "2\n"), lambda: None, path.unlink, *nothing, rewrite(path, "3\n"))
    assert values(follow(*acts)) == ["1", "2", "3"]
    assert [line.split()[2] for line in said] == ["gone", "a", "gone", "a"]


@pytest.mark.parametrize("new", ["3\n", "7\n8\n9\n10\n11\n"], ids=["shorter", "longer"])
def test_a_file_that_is_written_anew_is_read_from_its_start(path, said, follow, new):
    path.write_text("1\n2\n")
    assert values(follow(rewrite(path, new))) == ["1", "2", *new.split()]
    assert said == ["app.log was truncated or written anew: reading it from its start"]


def test_a_file_that_is_written_anew_with_the_same_and_more_has_only_grown(path, said, follow):
    path.write_text("1\n2\n")
    assert values(follow(rewrite(path, "1\n2\n3\n"))) == ["1", "2", "3"]
    assert said == []


def test_half_a_line_that_a_truncation_cuts_off_is_refused(path, follow):
    path.write_text("1\n2\n34")
    assert values(follow(rewrite(path, ""), append(path, "5\n"))) == [
        "1",
        "2",
        Refusal("line 3", "'34' was cut off"),
        "5",
    ]


@pytest.mark.parametrize("change", [rewrite, lambda path, text: rotate(path, 1, text)], ids=["truncated", "rotated"])
@pytest.mark.parametrize(
    ("new", "read"),
    [
        (HEADER + "3,30\n", [("3", "30")]),
        ("value,time\n30,3\n40,4\n", [("3", "30"), ("4", "40")]),
        ("time;other;value\n3;7;30\n", [("3", "30")]),
        ("3,30\n", [("3", "30")]),
        ('{"value": 30, "time": 3}\n', [(3, 30)]),
        (HEADER, []),
    ],
    ids=["same header", "columns moved", "columns added", "no header", "JSON", "only a header"],
)
def test_a_new_file_may_have_its_header_again_none_or_another_one(path, follow, change, new, read):
    path.write_text(HEADER + "1,10\n2,20\n")
    items = follow(change(path, new))
    assert [(item.time, item.value) for item in items] == [("1", "10"), ("2", "20"), *read]


def test_columns_that_were_found_are_kept_where_a_new_header_would_be_ambiguous(path, follow):
    path.write_text("time,load\n1,10\n")
    items = follow(rotate(path, 1, "load,time,size\n20,2,999\n"))
    assert [(item.time, item.value) for item in items] == [("1", "10"), ("2", "20")]


@pytest.mark.parametrize("header", [HEADER, "", "value,time\n"], ids=["again", "not again", "moved"])
def test_a_file_of_only_a_header_that_is_rotated_tells_the_columns_where_the_next_has_none(path, follow, header):
    path.write_text(HEADER)
    row = "10,1\n" if header.startswith("value") else "1,10\n"
    items = follow(rotate(path, 1, header), append(path, row))
    assert [(item.time, item.value) for item in items] == [("1", "10")]


def test_a_new_file_without_the_column_asked_for_is_an_error_that_names_the_columns(path, follow):
    path.write_text("time,load,size\n1,10,5\n")
    with pytest.raises(SourceError, match=r"app.log: there is no column 'load'; the columns are: time, size"):
        follow(rotate(path, 1, "time,size\n2,7\n"), column="load")


def test_the_columns_asked_for_are_read_and_described(path, said):
    path.write_text("a,b,c\n1,2,3\n")
    source = FollowSource(path, said.append, Asked("b", "a", "c"))
    assert list(source.read(Scene([]), 10)) == [[Reading("2", "1", "3")]]
    assert (source.describe(), source.name, source.live) == ("column 'b' of a, b, c", "app.log", True)
    source.close()
    source.close()


def test_a_compressed_file_is_refused_in_one_line_at_once_or_when_it_comes(path, follow):
    packed = gzip.compress(b"1\n")
    path.write_bytes(packed)
    with pytest.raises(SourceError, match="is compressed: --follow reads plain text"):
        FollowSource(path, print)
    path.write_text("1\n")
    with pytest.raises(SourceError, match="is compressed: --follow reads plain text"):
        follow(path.unlink, lambda: path.write_bytes(packed))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_regular_file_is_refused(tmp_path, said):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(SourceError, match="is no regular file, so it cannot be followed"):
            FollowSource(place, said.append)


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_a_name_that_no_file_can_have_is_an_error(name, said):
    with pytest.raises(SourceError, match="cannot be opened"):
        FollowSource(name, said.append)


@pytest.mark.parametrize("is_renamed", [True, False], ids=["replaced", "gone first"])
def test_a_new_file_that_may_not_be_read_yet_is_awaited_and_told_once(path, said, follow, monkeypatch, is_renamed):
    path.write_text("1\n")

    def forbid():
        monkeypatch.setattr("streamforest.sources.follow.FileIO", open_nothing)

    def open_nothing(_path):
        raise PermissionError(13, "Permission denied")

    nothing = [lambda: None] * 3
    away = [in_order(rotate(path, 1, "2\n"), forbid)] if is_renamed else [path.unlink, rewrite(path, "2\n")]
    assert values(follow(forbid, *away, *nothing, monkeypatch.undo)) == ["1", "2"]
    assert len(said) == 2
    assert said[1] == "app.log is a new file: reading it from its start"


def test_a_long_file_is_read_without_a_wait(path, said):
    path.write_text("".join(f"{number}\n" for number in range(100_000)))
    scene = Scene([])
    source = FollowSource(path, said.append)
    items = [item for block in source.read(scene, 1000) for item in block]
    source.close()
    assert [int(item.value) for item in items] == list(range(100_000))
    assert scene.waits == [PATIENCE]


def test_a_new_line_comes_soon_and_a_stop_ends_the_wait_within_a_second(path, said):
    path.write_text("1\n")
    stop = StopFlag()
    source = open_source(str(path), SourceOptions(said.append, follow=True))
    assert isinstance(source, FollowSource)
    blocks = source.read(stop, 10)
    assert next(blocks) == [Reading("1")]
    timers = [threading.Timer(0.05, append(path, "2\n")), threading.Timer(0.6, stop.request)]
    for timer in timers:
        timer.start()
    started = time.monotonic()
    assert next(blocks) == [Reading("2")]
    assert time.monotonic() - started < 0.5
    assert list(blocks) == []
    assert time.monotonic() - started < 1.5
    for timer in timers:
        timer.join()
    source.close()
    stop.close()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["append", "half", "rotate", "rotate at once", "late line", "truncate", "vanish", "wait"]),
            st.integers(0, 3),
            st.booleans(),
        ),
        max_size=25,
    ),
    st.integers(1, 4),
    st.booleans(),
)
@example([("append", 0, False), ("rotate at once", 0, False), ("rotate", 1, False), ("append", 0, False)], 1, False)
@example([("append", 0, False), ("truncate", 0, False), ("half", 0, False), ("truncate", 1, False)], 1, False)
def test_every_complete_line_is_read_exactly_once_in_order(tmp_path_factory, acts, most, is_there):
    """Values are counted up, so that any loss, doubling or change of order shows."""
    path = tmp_path_factory.mktemp("log") / "app.log"
    writer = Writer(path, is_there)
    scene = Scene([lambda act=act: writer.do(*act) for act in acts])
    source = FollowSource(path, lambda _: None)
    try:
        items = [item for block in source.read(scene, most) for item in block]
    finally:
        source.close()
    assert [float(item.value) for item in items if isinstance(item, Reading)] == writer.complete
    assert all(item.reason.endswith("was cut off") for item in items if isinstance(item, Refusal))


class Writer:
    """A program that logs numbers with a header in each file, and what rotates its file."""

    def __init__(self, path, is_there):
        self.path, self.number, self.rotations = path, 0, 0
        self.complete, self.half = [], ""
        self.old = None
        if is_there:
            self.begin()

    def begin(self, has_header=True):
        self.path.write_text(HEADER if has_header else "", newline="")

    def write(self, path, text):
        with path.open("a", newline="") as file:
            file.write(text)

    def lines(self, count):
        """Text that ends the half line, if there is one, and so many whole lines."""
        text = ""
        if self.half:
            text, self.half = f"{self.number}.5\n", ""
            self.complete.append(self.number + 0.5)
        for _ in range(count):
            self.number += 1
            text += f"{self.number},{self.number}.5\n"
            self.complete.append(self.number + 0.5)
        return text

    def do(self, what, count, flag):
        if not self.path.exists():
            if what in ("append", "half"):
                self.begin()
            else:
                return
        if what == "append":
            self.write(self.path, self.lines(count))
        elif what == "half" and not self.half:
            self.number += 1
            self.half = f"{self.number},"
            self.write(self.path, self.half)
        elif what in ("rotate", "rotate at once"):
            self.write(self.path, self.lines(count))
            self.rotations += 1
            old = self.path.with_name(f"{self.path.name}.{self.rotations}")
            self.path.rename(old)
            if what == "rotate at once":
                self.begin(flag)
                self.write(old, self.lines(1))
                self.write(self.path, self.lines(count))
        elif what == "late line":
            text = self.lines(1)
            self.write(self.path, text if flag else text[:-1])
            if not flag:
                self.write(self.path, "\n")
        elif what == "truncate":
            self.half = ""
            self.path.write_text("", newline="")
            self.write(self.path, (HEADER if flag else "") + self.lines(count))
        elif what == "vanish":
            self.write(self.path, self.lines(0))
            self.path.unlink()


def begun(path, said, rows, *acts):
    """A source that has yielded so many rows, one at a time, and its state behind them."""
    source = FollowSource(path, said.append)
    blocks = source.read(Scene(acts), 1)
    items = [next(blocks)[0] for _ in range(rows)]
    return source, items, source.state()


def gone_on(path, said, state, *acts):
    source = FollowSource(path, said.append)
    try:
        note = source.restore(state)
        return note, [item.value for block in source.read(Scene(acts), 3) for item in block]
    finally:
        source.close()


@pytest.mark.parametrize("rows", range(5))
def test_it_goes_on_behind_the_last_row_and_with_what_was_written_meanwhile(path, said, rows):
    append(path, HEADER + "1,1\n2,2\n3,3\n4,4\n5,")()
    source, items, state = begun(path, said, rows)
    source.close()
    append(path, "5\n6,6\n")()
    note, values = gone_on(path, said, state, append(path, "7,7\n"))
    assert (note, [item.value for item in items] + values) == ("", list("1234567"))


@pytest.mark.parametrize("rows", range(6))
def test_it_goes_on_through_a_rotation_before_or_after_it_was_left(path, said, rows):
    append(path, HEADER + "1,1\n2,2\n3,3")()
    turn = [rotate(path, 1, HEADER + "4,4\n5,5\n")]
    source, items, state = begun(path, said, rows, *turn)
    source.close()
    if rows < 3:
        turn[0]()
    note, values = gone_on(path, said, state, append(path, "6,6\n"))
    assert (note, [item.value for item in items] + values) == ("", list("123456"))


def test_a_file_that_was_written_anew_is_read_from_its_start_and_that_is_told(path, said):
    append(path, HEADER + "1,1\n2,2\n")()
    source, _, state = begun(path, said, 2)
    source.close()
    path.write_text(HEADER + "8,8\n9,9\n", encoding="utf-8")
    note, values = gone_on(path, said, state)
    assert note == "app.log was written anew or replaced: lines in between may be missing"
    assert values == ["8", "9"]


def test_a_file_that_was_not_there_yet_is_read_from_its_start(path, said):
    source = FollowSource(path, said.append)
    state = source.state()
    source.close()
    append(path, HEADER + "1,1\n")()
    assert gone_on(path, said, state) == ("", ["1"])


def test_a_rotated_file_that_was_written_late_is_not_read_again_after_a_restart(path, said):
    append(path, HEADER + "1,1\n2,2\n")()
    turn = rotate(path, 1, HEADER + "3,3\n")
    source, items, state = begun(path, said, 3, turn)
    source.close()
    time.sleep(0.01)  # times of files are coarse
    append(path.with_name("app.log.1"), "late,late\n")()
    note, values = gone_on(path, said, state, rotate_all(path, HEADER + "4,4\n"), append(path, "5,5\n"))
    assert (note, [item.value for item in items] + values) == ("", list("12345"))
