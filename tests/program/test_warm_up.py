import subprocess
import sys

import pytest

from streamforest.compiled import cache_folder
from streamforest.program import warm_up

needs_a_cache = pytest.mark.skipif(cache_folder() is None, reason="there is nowhere to keep compiled code")


@needs_a_cache
def test_where_all_is_on_disk_no_second_process_is_started(monkeypatch):
    warm_up.compile_all("stream", "point")  # waits for the last that is compiled
    monkeypatch.setattr(subprocess, "Popen", None)
    warm_up.compile_all("stream")


def test_the_second_process_says_when_a_group_is_done(monkeypatch, capsys):
    done = []
    monkeypatch.setattr(warm_up, "GROUPS", {"a": lambda: done.append("a"), "b": lambda: done.append("b")})
    monkeypatch.setattr(sys, "stdin", ["a\n", "b\n"])
    warm_up.work()
    assert done == ["a", "b"]
    assert capsys.readouterr().out == "a\nb\n"


@pytest.mark.parametrize("worker", ["raise SystemExit(1)", "import os; os._exit(3)"])
def test_a_second_process_that_fails_is_no_fault(worker, monkeypatch, tmp_path):
    done = []
    monkeypatch.setattr(warm_up, "WORKER", worker + "#{!r}")
    monkeypatch.setattr(warm_up, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(warm_up, "is_compiled", lambda: False)
    for name in ("features", "verdict"):
        monkeypatch.setattr(warm_up, f"compile_{name}", lambda name=name: done.append(name))
    for groups in (warm_up.STEPS, warm_up.GROUPS):
        for name in groups:
            monkeypatch.setitem(groups, name, lambda name=name: done.append(name))
    warm_up.compile_all("stream", "point")
    assert done == ["features", "verdict", "stream", "rest", "point"]
    for first in ("stream", "point"):
        done.clear()
        warm_up.compile_all(first)
        assert done == ["features", "verdict", first, "rest"], "the other process may take its time"
    for process in warm_up.working:
        process.wait(60)
        process.stdout.close()
    warm_up.working.clear()


def test_the_second_process_does_not_outlive_a_run_that_ends_abruptly(monkeypatch):
    deeds = []
    monkeypatch.setattr(warm_up, "WORKER", "import time; time.sleep(600)#{!r}")
    monkeypatch.setattr(warm_up, "before_abrupt_end", deeds.append)
    with warm_up._second_process():
        for deed in deeds:
            deed()
        (process,) = warm_up.working
        assert process.wait(60) != 0
    process.stdout.close()
    warm_up.working.clear()
