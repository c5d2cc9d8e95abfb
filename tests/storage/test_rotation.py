import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.storage import rotation
from streamforest.storage.rotation import go_back, highest, marks, numbered, rotate, trim


class Stop(BaseException):
    """The program was killed here."""


class Log:
    """A rotated log as a run writes it: each line is a new one."""

    def __init__(self, path):
        self.path, self.n = path, 0

    def do(self, step, most=3):
        if step == "rotate":
            rotate(self.path, most)
            self.path.touch()
        else:
            self.n += 1
            with self.path.open("a") as file:
                file.write(f"own {self.n}\n")

    def marks(self):
        with self.path.open("ab") as file:
            return marks(self.path, file.fileno())


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def is_own(path, start):
    return all(line.startswith("own") for line in path.read_text()[start:].splitlines())


steps = st.lists(st.sampled_from(["line", "line", "rotate"]), max_size=12)


@settings(deadline=None)
@given(steps, steps, st.integers(0, 40))
def test_going_back_undoes_lines_and_rotations_also_where_it_is_cut_off_and_done_again(
    tmp_path_factory, before, after, last
):
    folder = tmp_path_factory.mktemp("log")
    log = Log(folder / "log")
    log.do("line")
    for step in before:
        log.do(step, 50)
    then, marked = content(folder), log.marks()
    for step in after:
        log.do(step, 50)
    with pytest.MonkeyPatch.context() as patch:
        left = [last]

        def dying(function):
            def call(*arguments):
                if not left[0]:
                    raise Stop
                left[0] -= 1
                return function(*arguments)

            return call

        for name in ("replace", "unlink"):
            patch.setattr(rotation.Path, name, dying(getattr(rotation.Path, name)))
        try:
            go_back(log.path, marked, is_own)
        except Stop:
            left[0] = -1
            assert go_back(log.path, marked, is_own)
    assert content(folder) == then


def test_the_oldest_files_go_and_the_others_keep_their_order(tmp_path):
    log = Log(tmp_path / "log")
    for _ in range(6):
        log.do("line")
        log.do("rotate", 3)
    assert content(tmp_path) == {"log": b"", "log.1": b"own 6\n", "log.2": b"own 5\n", "log.3": b"own 4\n"}
    trim(log.path, 1)
    assert content(tmp_path) == {"log": b"", "log.1": b"own 6\n"}


def test_nothing_is_changed_where_the_file_is_gone_or_somebody_else_wrote_a_newer_one(tmp_path):
    log = Log(tmp_path / "log")
    log.do("line")
    marked = log.marks()
    log.do("rotate")
    log.path.write_text("another program's\n")
    before = content(tmp_path)
    assert not go_back(log.path, marked, is_own)
    numbered(log.path, 1).unlink()
    assert not go_back(log.path, marked, is_own)
    assert content(tmp_path) == {"log": before["log"]}


def test_what_somebody_else_added_is_not_cut_off(tmp_path):
    log = Log(tmp_path / "log")
    log.do("line")
    marked = log.marks()
    log.do("line")
    with log.path.open("a") as file:
        file.write("another program's\n")
    before = content(tmp_path)
    assert not go_back(log.path, marked, is_own)
    assert content(tmp_path) == before


def test_other_files_of_a_similar_name_are_left_alone(tmp_path):
    log = Log(tmp_path / "a[b")
    for name in ("a[b.gz", "a[b.1x", "a[b.٣"):
        (tmp_path / name).write_text("mine")
    log.do("line")
    marked = log.marks()
    log.do("rotate")
    log.do("line")
    assert highest(log.path) == 1
    assert go_back(log.path, marked, is_own)
    assert content(tmp_path) == {"a[b": b"own 1\n", **dict.fromkeys(("a[b.gz", "a[b.1x", "a[b.٣"), b"mine")}
