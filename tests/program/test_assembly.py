import io
import sys

import pytest

from streamforest.detectors import isolation_forest
from streamforest.program import assembly, cli
from tests.chosen import options_of, run_of


def test_without_a_standard_output_there_is_no_terminal_sink(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with run_of("--log", "none") as run:
        assert assembly.make_sinks(run, is_shown=False) == []


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("words", "stream", "is_shown", "kind"),
    [
        ([], Screen(), True, "EpisodeLinesSink"),
        ([], Screen(), False, "TerminalSink"),
        ([], io.StringIO(), True, "TerminalSink"),
        (["--format", "text"], Screen(), True, "TerminalSink"),
        (["--format", "json"], Screen(), True, "TerminalSink"),
    ],
)
def test_a_terminal_beside_a_view_gets_a_line_an_episode_unless_lines_are_asked_for(
    monkeypatch, words, stream, is_shown, kind
):
    monkeypatch.setattr(sys, "stdout", stream)
    with run_of("--log", "none", *words) as run:
        assert [type(sink).__name__ for sink in assembly.make_sinks(run, is_shown=is_shown)] == [kind]


def test_what_cannot_be_opened_is_told_and_left_out_and_standard_output_comes_last(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with run_of("--log", "gone/a.log", "--report", "report.csv", on_anomaly=["true"]) as run:
        sinks = assembly.make_sinks(run, is_shown=False)
    for sink in sinks:
        sink.close()
    assert [sink.name for sink in sinks] == ["command on anomaly", "report report.csv", "standard output"]
    assert capsys.readouterr().err.startswith("no log, the run goes on without it: gone")


def test_a_source_cannot_forge_a_line_by_its_name(tmp_path):
    path = tmp_path / "a\x1b[31m.csv"
    path.write_text("1\n2\n3\n", encoding="utf-8")
    source = assembly.make_source(options_of(str(path)))
    source.close()
    assert "\x1b" not in source.name


def test_only_rules_that_need_times_complain_of_a_stream_without():
    assert assembly.line_without_times(options_of()) == ""
    line = assembly.line_without_times(options_of("--alarms-a-day", "3"))
    assert line.startswith("the first point has no time: --alarms-a-day 3 needs times")
    line = assembly.line_without_times(options_of("--holidays", "DE-BY"))
    assert line.startswith("the first point has no time: --holidays DE-BY needs times")


@pytest.mark.parametrize(("delay", "is_over_blocks"), [("0", True), ("0.01", False)])
def test_readings_that_come_one_by_one_wait_for_no_step_over_blocks(delay, is_over_blocks, monkeypatch):
    judged = []
    monkeypatch.setattr(isolation_forest, "judge_stream", lambda *_: judged.append(1))
    options = options_of("--detector", "isolation-forest", "--model", str(cli.SHIPPED["MODEL"]), "--delay", delay)
    assembly.make_judge(options, assembly.make_source(options))
    assert bool(judged) == is_over_blocks
