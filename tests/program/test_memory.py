from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from streamforest.program import memory
from streamforest.program.memory import free_memory, most_streams
from streamforest.program.run import leave_out_pictures
from streamforest.stream_names import MOST_STREAMS


@pytest.mark.parametrize(
    ("free", "is_kept", "most"),
    [
        (None, True, MOST_STREAMS),
        (10**15, True, MOST_STREAMS),
        (0, False, 1),
        (10**9, False, 15_384),
        (10**9, True, 12_500),
    ],
)
def test_as_many_streams_as_free_memory_holds(free, is_kept, most):
    assert most_streams(24_000, is_kept, free) == most


def test_the_least_of_all_limits_counts(monkeypatch):
    for name, left in (("available", 500), ("left_to_group", None), ("left_to_program", 300)):
        monkeypatch.setattr(memory, name, lambda left=left: left)
    assert free_memory() == 300
    assert free_memory(200) == 200
    monkeypatch.setattr(memory, "left_to_program", lambda: -5)
    assert free_memory() == 0


def make_group(folder, version, **bytes_of):
    names = dict(zip(("most", "taken", "held"), memory.FILES[version], strict=True))
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("most", "taken"):
        (folder / names[name]).write_text(f"{bytes_of[name]}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names['held']} {bytes_of['held']}\n")


@pytest.mark.parametrize("version", ["", "memory"])
@pytest.mark.parametrize("place", [".", "docker/a1", "slice/run.scope/deep"])
def test_the_limit_of_a_container_counts_without_the_files_that_it_holds_in_memory(
    tmp_path, monkeypatch, version, place
):
    """Of both versions, and whether a container sees itself at the top or below all groups of the host."""
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "GROUPS", tmp_path / "groups")
    assert memory.left_to_group() is None
    (tmp_path / "proc/self").mkdir(parents=True)
    first = f"5:cpu,{version}:/{place}" if version else f"0::/{place}"
    (tmp_path / "proc/self/cgroup").write_text(f"{first}\n3:pids:/elsewhere\n1:name=systemd:/a:b\n")
    assert memory.left_to_group() is None
    make_group(tmp_path / "groups" / version / place, version, most=2**62 if version else "max", taken=300, held=100)
    make_group(tmp_path / "groups" / version, version, most=1000, taken=900, held=700)
    assert memory.left_to_group() == 800
    make_group(tmp_path / "groups" / version / place, version, most=700, taken=300, held=100)
    assert memory.left_to_group() == 500


def test_a_system_that_does_not_tell_has_no_limit(monkeypatch):
    for name in ("available", "left_to_group", "left_to_program"):
        monkeypatch.setattr(memory, name, lambda: None)
    assert free_memory() is None


def test_this_machine_tells():
    assert free_memory() is None or free_memory() > 10**6


@pytest.mark.parametrize(("left", "has_enough"), [(None, True), (memory.PICTURES, True), (memory.PICTURES - 1, False)])
def test_where_a_limit_leaves_too_little_for_pictures_there_are_none(monkeypatch, left, has_enough, capsys):
    monkeypatch.setattr(memory, "left_to_program", lambda: left)
    assert memory.reserve_for_pictures() is has_enough
    options = SimpleNamespace(source="-", visualization=True, summary=Path("s.html"))
    leave_out_pictures(options)
    assert (options.visualization, options.summary is not None) == (has_enough, has_enough)
    assert ("too little for pictures" in capsys.readouterr().err) is not has_enough
    options = SimpleNamespace(source="serve", visualization=True, summary=None)
    with nullcontext() if has_enough else pytest.raises(MemoryError):
        leave_out_pictures(options)
