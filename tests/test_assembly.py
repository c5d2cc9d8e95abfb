import sys

import pytest

from streamforest import assembly
from streamforest.metrics import RunCounts
from streamforest.rules import Rules
from streamforest.sinks.episode_end import EpisodeEndSink
from streamforest.stop import StopFlag
from tests.chosen import options_of


def test_without_a_standard_output_there_is_no_terminal_sink(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert assembly.make_sinks(options_of("--log", "none"), None) == []


def test_whatever_may_judge_or_tell_while_somebody_watches_goes_by_the_same_rules():
    options = options_of("--detector", "z-score", "--direction", "up", "--cool-down", "2", "--snapshot-on-anomaly")
    source, stop = assembly.make_source(options), StopFlag()
    detector, comparison = assembly.make_ready_detectors(options, source)
    watch, switch, sinks = assembly.make_watch(options, source, detector, comparison, [], RunCounts(0.001), stop)
    rules = assembly.rules_of(options)
    assert rules == Rules(direction="up", cool_down=2)
    assert switch._make("z-score")._rules == switch._rules == detector._rules == rules.numbers
    assert [sink._fold._gap for sink in sinks if isinstance(sink, EpisodeEndSink)] == [2]
    watch.close()
    watch.actions.close()
    stop.close()


def test_pictures_tell_no_secrets():
    texts = assembly.picture_texts(options_of("x://me:secret@host", "--on-anomaly", "curl the-secret"))
    assert "secret" not in str(texts)
    assert "ON_ANOMALY=curl ***" in texts["Settings"]


def test_what_cannot_be_opened_is_told_and_left_out_and_standard_output_comes_last(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sinks = assembly.make_sinks(options_of("--log", "gone/a.log", "--report", "report.csv"), ["true"])
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


@pytest.mark.parametrize(
    "arguments",
    [
        ("--alarm-rate", "0.01"),
        ("--cool-down", "7"),
        ("--direction", "up"),
        ("--key-column", "pump"),
        ("--detector", "z-score"),
        ("--seed", "99"),
        ("--model", "another.joblib"),
    ],
)
def test_a_run_is_told_from_another_by_what_decides_its_verdicts(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "another.joblib").write_bytes(b"a model")
    known = assembly.fingerprint_of(options_of("a.csv"))
    assert assembly.fingerprint_of(options_of("a.csv", *arguments)) != known
    assert assembly.fingerprint_of(options_of(str(tmp_path / "a.csv"), "--delay", "1", "--log", "other.log")) == known


def test_a_fingerprint_has_no_password_and_a_model_that_is_gone_has_no_digest(tmp_path):
    assert "secret" not in str(assembly.fingerprint_of(options_of("mqtt://me:secret@host/a")))
    assert assembly.digest_of(tmp_path / "gone.joblib") == ""


def test_only_rules_that_need_times_complain_of_a_stream_without():
    assert assembly.line_without_times(options_of()) == ""
    line = assembly.line_without_times(options_of("--alarms-a-day", "3"))
    assert line.startswith("the first point has no time: --alarms-a-day 3 needs times")
