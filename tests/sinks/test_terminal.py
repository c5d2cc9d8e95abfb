import io
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.protocols import (
    LABELS,
    REASONS,
    STREAM_VERDICT_DTYPE,
    VERDICT_DTYPE,
    ReaderGoneError,
    verdict_from_row,
)
from streamforest.sinks.terminal import HEADER_EVERY, TerminalSink, has_reader, json_lines, wants_colour
from streamforest.state import packed, unpacked
from streamforest.stream_names import StreamNames
from streamforest.verdicts.life import EpisodeLife
from tests.sinks.test_episode_lines import incidents_found

NOON = 1714564800.0  # 2024-05-01T12:00:00Z


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


def verdicts_of(n, **fields):
    verdicts = np.zeros(n, VERDICT_DTYPE)
    verdicts["index"] = np.arange(n)
    verdicts["time"] = NOON + np.arange(n)
    verdicts["label"] = -1
    for name in ("score", "threshold", "p_value", "expected", "lower", "upper"):
        verdicts[name] = np.nan
    for name, values in fields.items():
        verdicts[name] = values
    return verdicts


def judged(n, **fields):
    known = {"value": 10.5, "score": 0.4, "threshold": 0.65, "p_value": 0.3, "expected": 10, "lower": 8.25, "upper": 12}
    return verdicts_of(n, **{**known, **fields})


def alarms(n, **fields):
    return judged(n, **{"value": 99, "score": 0.8, "is_anomaly": True, "episode": 1, "reason": 1, **fields})


def written(verdicts, form, *, colour=False, width=100, stream=None):
    stream = io.StringIO() if stream is None else stream
    TerminalSink(stream, form, colour, width).write(verdicts)
    return stream.getvalue()


def lines_of(verdicts, **options):
    """The lines of a text without a header."""
    return written(verdicts, "text", **options).partition("\n")[2]


def test_a_line_has_time_value_band_score_and_threshold():
    assert lines_of(judged(1)).split() == ["2024-05-01T12:00:00Z", "10.500", "8.250", "12.000", "0.400", "0.650"]


def test_what_is_not_known_yet_is_a_dash_and_not_a_zero():
    assert lines_of(verdicts_of(1, value=3)).split()[1:] == ["3.0000", "-", "-", "-", "-"]


def test_a_missing_reading_is_said_to_be_missing():
    assert "missing" in written(judged(1, value=np.nan), "text")


def test_without_times_the_position_in_the_stream_stands_first():
    assert lines_of(judged(3, time=np.nan)).splitlines()[2].split()[0] == "2"


def test_an_anomaly_is_marked_by_a_sign_and_its_reason():
    normal, anomaly = lines_of(np.concatenate([judged(1), alarms(1)]), width=120).splitlines()
    assert normal.startswith("  ")
    assert anomaly.startswith("!")
    assert anomaly.endswith("0.650  spike: 99, expected 10 +- 1.88")
    assert written(alarms(1), "text", stream=Screen(), colour=True).splitlines()[1].startswith("\x1b[1;31m\u25b2")


def test_only_a_stream_that_can_show_the_triangle_gets_it(tmp_path):
    for encoding, sign in (("utf-8", "\u25b2"), ("ascii", "!"), ("cp1252", "!")):
        with (tmp_path / encoding).open("w", encoding=encoding) as stream:
            TerminalSink(stream, "quiet", False).write(alarms(1))
        line = (tmp_path / encoding).read_text(encoding=encoding)
        assert line.startswith(sign)
        assert line.endswith("expected 10 \u00b1 1.88\n" if sign != "!" else "expected 10 +- 1.88\n")


def test_no_escape_sequence_is_written_without_colour():
    assert "\x1b" not in written(alarms(3), "text", stream=Screen())
    assert "\x1b" not in written(alarms(3), "json", stream=Screen(), colour=True)


@pytest.mark.parametrize("width", [100, 80])
@pytest.mark.parametrize("fraction", [0.0, 0.25])
def test_lines_are_aligned_and_fit_the_terminal(width, fraction):
    numbers = (0.0, -1.234567e-300, 123456.0, -98765.4321, 1.5e300)
    blocks = [judged(1, value=n, lower=n, upper=n, time=NOON + fraction) for n in numbers]
    lines = written(np.concatenate(blocks), "text", stream=Screen(), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(set(map(len, lines))) == 1
    assert lines[0].index("limit") + 5 == lines[1].index("0.650") + 5


def test_a_narrow_terminal_gets_the_time_without_year_and_zone():
    assert lines_of(judged(1), width=80).startswith("  05-01 12:00:00 ")


def test_numbers_stand_in_decimals_that_suit_the_stream_and_that_no_anomaly_changes():
    stream = io.StringIO()
    sink = TerminalSink(stream, "text", False)
    for value in (8.25, 1e6, 9, 1234.5678):
        sink.write((alarms if value == 1e6 else judged)(1, value=value))
    values = [line[22:35].strip() for line in stream.getvalue().splitlines()[1:]]
    assert values == ["8.250", "1000000.000", "9.000", "1234.6"]


@pytest.mark.parametrize("value", [5e-324, 1e-5, 3e9, 1e308, 0.0, -0.0])
def test_very_large_and_very_small_numbers_keep_their_digits(value):
    assert float(lines_of(verdicts_of(1, value=value)).split()[1]) == value


def test_the_lines_are_the_same_however_the_stream_is_cut():
    verdicts = np.concatenate([judged(3), alarms(2), judged(1, value=1e4, time=NOON + 0.5), judged(3, value=np.nan)])
    stream = io.StringIO()
    sink = TerminalSink(stream, "text", False)
    for row in range(len(verdicts)):
        sink.write(verdicts[row : row + 1])
    assert stream.getvalue() == written(verdicts, "text", width=1000)


def test_once_a_time_has_a_fraction_all_times_show_milliseconds():
    stream = io.StringIO()
    sink = TerminalSink(stream, "text", False)
    sink.write(judged(1, time=NOON + 0.25))
    sink.write(judged(1, time=NOON + 1))
    assert [line.split()[0] for line in stream.getvalue().splitlines()[1:]] == [
        "2024-05-01T12:00:00.250Z",
        "2024-05-01T12:00:01.000Z",
    ]


def test_a_time_beyond_every_calendar_is_shown_as_a_number():
    assert "1e+200" in written(judged(1, time=1e200), "text", width=80)


def test_headers_come_again_on_a_terminal_and_once_in_a_pipe_but_for_programs_that_read_few_lines():
    assert written(judged(HEADER_EVERY * 2), "text", stream=Screen()).count("score") == 2
    assert written(judged(HEADER_EVERY * 2), "text").startswith("                  time        value    at least")
    assert written(judged(HEADER_EVERY * 2), "text").count("score") == 1
    assert "score" not in written(alarms(2), "quiet")


@pytest.mark.parametrize(("width", "columns"), [(100, 6), (80, 6), (59, 6), (58, 4), (39, 4), (38, 2), (30, 2)])
def test_lines_get_shorter_on_a_narrow_terminal(width, columns):
    header, line = written(judged(1), "text", stream=Screen(), width=width).splitlines()
    assert len(line) <= width
    assert len(line[2:].split()) - (width < 95) == columns  # a time without its year is two words
    assert header.endswith("limit") is (columns >= 4)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_an_alarm_has_its_whole_reason_and_as_many_numbers_as_fit_beside_it(width):
    line = written(alarms(1), "text", stream=Screen(), width=width).splitlines()[1]
    assert line.endswith("spike: 99, expected 10 \u00b1 1.88")
    assert len(line) <= max(width, 54)
    assert ("0.650" in line) is (width >= 120)


def test_quiet_writes_anomalous_points_only():
    assert len(written(np.concatenate([judged(5), alarms(2)]), "quiet").splitlines()) == 2
    assert written(judged(5), "quiet") == ""


numbers = st.floats() | st.sampled_from([math.nan, math.inf, -0.0, 5e-324, 0.1, 1e16])


@given(
    st.lists(
        st.tuples(*[numbers] * 8, st.integers(-1, len(LABELS) - 1), st.booleans(), st.integers(0, len(REASONS) - 1)),
        min_size=1,
        max_size=5,
    )
)
def test_json_has_the_fields_of_a_verdict_in_order_and_null_where_unknown(rows):
    names = ("time", "value", "score", "threshold", "p_value", "expected", "lower", "upper")
    verdicts = verdicts_of(len(rows))
    for place, row in enumerate(rows):
        finite = [number if math.isfinite(number) else math.nan for number in row[:8]]
        for name, number in zip(names, finite, strict=True):
            verdicts[name][place] = number
        verdicts["label"][place], verdicts["is_anomaly"][place], verdicts["reason"][place] = row[8:]
        verdicts["episode"][place] = place
    found = [json.loads(line, object_pairs_hook=list) for line in written(verdicts, "json").splitlines()]
    assert repr(found) == repr([known_fields(row) for row in verdicts.tolist()])  # 0.0 is not -0.0


def test_an_infinite_number_is_null_in_json():
    assert json.loads(written(judged(1, upper=np.inf), "json"), parse_constant=pytest.fail)["upper"] is None


def test_every_block_is_flushed():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    TerminalSink(stream, "json", False).write(judged(1))
    assert stream.buffer.getvalue().count(b"\n") == 1


def test_a_closed_pipe_is_told_from_other_faults():
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        sink = TerminalSink(stream, "json", False)
        os.close(reader)
        with pytest.raises(ReaderGoneError):
            sink.write(judged(1))
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)  # the stream still holds the line when it is closed


def test_a_full_disk_is_an_error_of_the_operating_system():
    try:
        stream = open("/dev/full", "w")  # noqa: PTH123, SIM115 - its close fails, too
    except OSError:
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError, match="No space left"):
        TerminalSink(stream, "json", False).write(judged(1))
    with pytest.raises(OSError, match="No space left"):
        stream.close()


@pytest.mark.parametrize(
    ("environment", "is_terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": ""}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "dumb"}, False, True),
    ],
)
def test_colour_is_for_terminals_unless_the_environment_decides(environment, is_terminal, expected):
    assert wants_colour(Screen() if is_terminal else io.StringIO(), environment) is expected


def test_nobody_reads_what_goes_to_the_null_device(tmp_path):
    with Path(os.devnull).open("w") as nothing, (tmp_path / "file").open("w") as file:
        assert not has_reader(nothing) or os.name == "nt"
        assert has_reader(file)
    assert has_reader(io.StringIO())
    assert has_reader(Screen())


def known_fields(row):
    """Names and values of a verdict, None where a number is unknown or infinite."""
    return [
        (name, None if isinstance(number, float) and not math.isfinite(number) else number)
        for name, number in verdict_from_row(row)._asdict().items()
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(), st.floats(), st.floats(), st.booleans()), min_size=1, max_size=20))
def test_lines_of_json_give_the_very_numbers_in_order_however_they_are_cut(rows):
    value, score, expected, is_anomaly = zip(*rows, strict=True)
    verdicts = judged(
        len(rows),
        value=value,
        score=score,
        expected=expected,
        is_anomaly=is_anomaly,
        label=np.arange(len(rows)) % 11 - 1,
    )
    lines = json_lines(verdicts).splitlines(keepends=True)
    found = [json.loads(line, object_pairs_hook=list) for line in lines]
    assert repr(found) == repr([known_fields(row) for row in verdicts.tolist()])  # 0.0 is not -0.0
    assert [json_lines(verdicts[k : k + 1]) for k in range(len(rows))] == lines


def keyed(verdicts, keys):
    names = StreamNames()
    rows = np.zeros(len(verdicts), STREAM_VERDICT_DTYPE)
    for name in VERDICT_DTYPE.names:
        rows[name] = verdicts[name]
    rows["stream"] = names.numbers_of(keys)
    return rows, names


KEYS = ["pump 1", "\x1b[31mred\n", 'a"b', "p" * 40]


def test_of_many_streams_each_object_is_that_of_one_stream_behind_its_key():
    rows, names = keyed(judged(4), KEYS)
    stream = io.StringIO()
    TerminalSink(stream, "json", False, names=names).write(rows)
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [next(iter(one)) for one in found] == ["key"] * 4
    assert [one.pop("key") for one in found] == KEYS
    assert found == [json.loads(line) for line in written(judged(4), "json").splitlines()]
    assert "\x1b" not in stream.getvalue()


def test_of_many_streams_each_line_begins_with_its_key_in_a_column_of_its_own():
    rows, names = keyed(alarms(4, value=[1, 1000, 1e-3, 50]), KEYS)
    stream = Screen()
    TerminalSink(stream, "text", False, 120, names=names).write(rows)
    header, *lines = stream.getvalue().splitlines()
    assert header.split()[:2] == ["key", "time"]
    assert [line[2:18].rstrip() for line in lines] == ["pump 1", r"\x1b[31mred\n", 'a"b', "ppppppp..ppppppp"]
    assert len({line.index("2024-05-01T12") for line in lines}) == 1
    reasons = [line.split("Z  ")[1].partition(", expected")[0] for line in lines]
    assert reasons == ["spike: 1", "spike: 1,000", "spike: 0", "spike: 50"]


def test_events_are_an_object_for_each_thing_that_happens_to_an_episode_and_nothing_else():
    rows = judged(10, value=7.5)
    rows["is_anomaly"][2:4], rows["episode"][2:4], rows["reason"][2:4] = True, 1, 1
    stream = io.StringIO()
    sink = TerminalSink(stream, "events", True, life=EpisodeLife("pump.csv"))
    sink.write(rows[:2])
    assert stream.getvalue() == ""
    sink.write(rows[2:])
    sink.close()
    sink.close()
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(event["event"], event["source"], event["points"]) for event in events] == [
        ("start", "pump.csv", 1),
        ("end", "pump.csv", 2),
    ]


def test_a_key_that_the_stream_cannot_show_is_escaped():
    rows, names = keyed(judged(1), ["Gerät"])
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    TerminalSink(stream, "text", False, names=names).write(rows)
    assert rb"Ger\xe4t" in stream.buffer.getvalue()


@pytest.mark.parametrize("mode", ["a", "r+"])
@pytest.mark.parametrize("form", ["text", "json", "events"])
def test_a_file_is_cut_back_and_goes_on_with_the_same_bytes(tmp_path, form, mode):
    path = tmp_path / "out"
    path.write_text("before\n", encoding="utf-8")
    rows = judged(9, value=np.arange(9) * 1000.5, time=NOON + np.arange(9) / 3)
    if form == "events":
        rows["is_anomaly"][3:], rows["episode"][3:], rows["reason"][3:] = True, 1, 1
    with path.open("a", encoding="utf-8") as stream:
        sink = TerminalSink(stream, form, False, life=EpisodeLife("pump.csv"))
        sink.write(rows[:5])
        state = sink.state()
        sink.write(rows[5:])
        sink.close()
    whole = path.read_bytes()
    with path.open(mode, encoding="utf-8") as stream:
        sink = TerminalSink(stream, form, False, life=EpisodeLife("pump.csv"))
        assert sink.restore(state, cut=True) == ""
        assert whole.startswith(path.read_bytes())
        sink.write(rows[5:])
        sink.close()
    assert path.read_bytes() == whole


def test_a_file_that_was_emptied_or_will_not_be_written_again_is_not_cut(tmp_path):
    path = tmp_path / "out"
    with path.open("a", encoding="utf-8") as stream:
        sink = TerminalSink(stream, "json", False)
        sink.write(judged(5))
        state = sink.state()
        sink.write(judged(5))
    whole = path.read_bytes()
    with path.open("a", encoding="utf-8") as stream:
        assert TerminalSink(stream, "json", False).restore(state, cut=False) == ""
    assert path.read_bytes() == whole
    with path.open("w", encoding="utf-8") as stream:
        assert "was emptied" in TerminalSink(stream, "json", False).restore(state, cut=True)


def test_what_went_into_a_pipe_is_not_taken_back(tmp_path):
    readable, writable = os.pipe()
    with os.fdopen(writable, "w") as stream:
        sink = TerminalSink(stream, "json", False)
        sink.write(judged(5))
        state = sink.state()
        assert TerminalSink(stream, "json", False).restore(state, cut=True) == ""
    os.close(readable)
    with (tmp_path / "out").open("w") as stream:
        assert TerminalSink(stream, "json", False).restore(state, cut=True) == ""


@pytest.mark.parametrize(("name", "forged"), [("_decimals", 2**40), ("_decimals", 0.5), ("_scale", 1e300)])
def test_decimals_that_no_number_has_are_refused(tmp_path, name, forged):
    with (tmp_path / "out").open("w", encoding="utf-8") as stream:
        sink = TerminalSink(stream, "text", False)
        sink.write(judged(3))
        state = sink.state()
        TerminalSink(stream, "text", False).restore(state, cut=False)
        lines = packed(unpacked(state, "lines") | {name: forged})
        with pytest.raises(ValueError, match="saved decimals"):
            TerminalSink(stream, "text", False).restore(state | {"lines": lines}, cut=False)


def test_an_incident_across_streams_is_an_event_once():
    incidents, names, rows = incidents_found()
    stream = io.StringIO()
    life = EpisodeLife("fleet.csv", names=names)
    sink = TerminalSink(stream, "events", False, names=names, life=life, incidents=incidents)
    for part in np.split(rows, 30):
        incidents.write(part)
        sink.write(part)
    sink.close()
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["first"] for event in events if event["event"] == "incident"] == ["s7"]
