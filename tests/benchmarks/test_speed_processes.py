import json
import sys

import pytest

from benchmarks import speed_processes
from benchmarks.peers import installed
from benchmarks.speed_memory import ProcessError
from benchmarks.speed_processes import Program, answer, files, first_verdicts, lines, memories, program, started

ECHO = Program("echo", [sys.executable, "-c", speed_processes.NOTHING], 5)


def test_the_program_answers_a_line_with_a_verdict(model_path):
    with started(program(model_path, "-")) as (_process, entry, out):
        assert json.loads(answer(entry, out, 21.5))["value"] == 21.5
        assert json.loads(answer(entry, out, 22.5))["index"] == 1


def test_every_script_of_a_peer_answers_a_line_with_a_number(model_path, stream, tmp_path):
    for one in speed_processes.programs(model_path, stream[:2000], tmp_path)[1:]:
        if all(map(installed, one.packages)):
            with started(one.words) as (_process, entry, out):
                assert float(answer(entry, out, 21.5)) >= 0.0, one.name


def test_start_lines_and_memory_of_a_program_are_measured(stream):
    (first,) = first_verdicts([ECHO], 2)
    middle, late = lines([ECHO], stream, 2)
    (memory,) = memories([ECHO], 2)
    assert 0.0 < first.lowest <= first.highest
    assert 0.0 < middle.median <= late.median
    assert memory.unit == "MiB"


def test_a_program_that_ends_early_is_told():
    with (
        started([sys.executable, "-c", "input()"]) as (_process, entry, out),
        pytest.raises(ProcessError, match="early"),
    ):
        answer(entry, out, 1.0)


def test_rows_of_files_are_measured(model_path, stream, tmp_path):
    costs = files(model_path, stream, 1000, 1, tmp_path)
    assert [one.who for one in costs] == [
        "main.py FILE --format quiet",
        "the same with ISO 8601 times",
        "main.py FILE --format json",
    ]
    assert all(one.median > 0.0 for one in costs)
    assert (tmp_path / "timed.csv").read_text(encoding="utf-8").startswith("time,value\n2024-01-01T00:00:00,")
