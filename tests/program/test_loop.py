import errno
import random
from contextlib import nullcontext, suppress
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamforest.program import loop
from streamforest.program.description import Command, Run
from streamforest.program.judges import ManyStreamsJudge, OneStreamJudge
from streamforest.program.loop import BLOCK, FIRST_READINGS, REFUSALS_REPORTED, Loop
from streamforest.program.paged_streams import PagedStreams
from streamforest.protocols import VERDICT_DTYPE, ReaderGoneError, Reading, Refusal, SourceError
from streamforest.reading.line_rules import HEADER_AGAIN
from streamforest.sinks.event_log import EventLogSink
from streamforest.sinks.report import ReportSink
from streamforest.sinks.terminal import TerminalSink
from streamforest.state import packed, unpacked
from streamforest.storage.checkpoint import CheckpointFile, Disk
from streamforest.storage.resumption import Resumption
from streamforest.stream_names import StreamNames
from streamforest.terminal.stop import StopFlag
from streamforest.verdicts.counts import RunCounts


class ListSource:
    """Readings from a list, in blocks no longer than asked for."""

    name = "a list"

    def __init__(self, readings, live=False, broken=False):
        self.live = live
        self.most = None
        self.closed = 0
        self._readings = list(readings)
        self._broken = broken

    def describe(self):
        return "the only column is 'value'"

    def read(self, stop, most):
        self.most = most
        for first in range(0, len(self._readings), most):
            if stop.requested:
                return
            yield self._readings[first : first + most]
        if self._broken:
            raise SourceError("the list broke")

    def close(self):
        self.closed += 1


class DeviationDetector:
    """Flags values beyond 3; its numbers are the stream's."""

    name = "deviation"

    def __init__(self):
        self._seen = 0

    def update_many(self, values, times=None):
        verdicts = np.zeros(len(values), VERDICT_DTYPE)
        verdicts["index"] = np.arange(self._seen, self._seen + len(values))
        verdicts["time"] = np.nan if times is None else times
        verdicts["value"] = values
        verdicts["label"] = -1
        verdicts["is_anomaly"] = np.abs(values) > 3
        self._seen += len(values)
        return verdicts


class ListSink:
    """Keeps what it gets; fails at a given point, or does something of the test's with each block."""

    name = "a list"

    def __init__(self, fails_at=None, error=None, closing=None, then=None):
        self.blocks = []
        self.closed = 0
        self._then = then
        self._fails_at = fails_at
        self._error = error
        self._closing = closing

    @property
    def verdicts(self):
        return np.concatenate(self.blocks) if self.blocks else np.zeros(0, VERDICT_DTYPE)

    def write(self, verdicts):
        if self._fails_at is not None and verdicts["index"][-1] >= self._fails_at:
            raise self._error
        self.blocks.append(verdicts)
        if self._then is not None:
            self._then()

    def close(self):
        self.closed += 1
        if self._closing is not None:
            raise self._closing


class TimedStop:
    """A stop whose waits pass at once on a clock of its own, and which ends a run at a given time."""

    def __init__(self, ends=float("inf")):
        self.now = 1000.0
        self.waits = []
        self._ends = 1000.0 + ends

    @property
    def requested(self):
        return self.now >= self._ends

    def wait(self, seconds):
        self.waits.append(seconds)
        self.now = min(self.now + max(0.0, seconds), max(self.now, self._ends))
        return self.requested

    def fileno(self):
        raise AssertionError("no source here waits")

    def clock(self):
        return self.now


FULL = OSError(errno.ENOSPC, "No space left on device")


def run_with(
    source,
    counts,
    stop,
    judge=None,
    *,
    delay=0.0,
    max_points=None,
    counter=False,
    gauge=False,
    holidays=None,
    time_zone=None,
    resumption=None,
    **_further,
):
    """The description of a run, of a detector that goes by its deviation where nobody else is to judge."""
    options = SimpleNamespace(
        delay=delay, max_points=max_points, counter=counter, gauge=gauge, holidays=holidays, time_zone=time_zone
    )
    command = Command("main.py", (), options)
    judge = judge or OneStreamJudge(lambda _recent: DeviationDetector())
    return Run(command, source, judge, counts, stop, resumption=resumption)


def run(readings, *sinks, stop=None, source=None, **options):
    """Run to the end; returns the source, the counts and what was notified."""
    source = source or ListSource(readings)
    counts = RunCounts(0.01)
    notes = []
    stop = stop or TimedStop()
    made = run_with(source, counts, stop, **options)
    without_times = options.get("without_times", "")
    Loop(made, sinks, without_times=without_times, notify=notes.append, clock=stop.clock).run()
    return source, counts, notes


def readings_of(*values):
    return [Reading(value) for value in values]


def test_every_point_is_judged_once_and_told_to_every_sink_in_order():
    first, second = ListSink(), ListSink()
    values = np.arange(BLOCK * 2 + 10, dtype=float)
    source, counts, notes = run(readings_of(*values), first, second)
    for sink in (first, second):
        assert sink.verdicts["value"].tolist() == values.tolist()
        assert sink.closed == 1
    assert (source.most, source.closed, counts.points, notes) == (BLOCK, 1, len(values), [])


def test_labels_and_times_come_from_the_points():
    sink = ListSink()
    run([Reading(1.0, 5.0, "spike"), Reading(2.0, 6.0, None)], sink)
    assert sink.verdicts["label"].tolist() == [2, -1]
    assert sink.verdicts["time"].tolist() == [5.0, 6.0]


@pytest.mark.parametrize("delay", [0.0, 0.1])
def test_a_first_point_without_a_time_is_told_of_once_where_times_are_needed(delay):
    def notes(*readings, **options):
        return run(readings, delay=delay, **options)[2]

    timed, untimed = [Reading(1.0, 5.0)] * 3, readings_of(1, 2, 3)
    assert notes(*untimed, without_times="no times") == ["no times"]
    assert notes(*untimed) == []
    assert notes(*timed, without_times="no times") == []
    assert notes(*timed, *untimed, without_times="no times") == []


@given(st.lists(st.sampled_from([1.0, "x", None]), min_size=1, max_size=40), st.integers(1, 40))
def test_the_limit_of_points_is_met_exactly_and_nothing_behind_it_is_read(values, most):
    good = [place for place, value in enumerate(values) if value != "x"]
    if not good:
        values, good = [*values, 1.0], [len(values)]
    behind = good[most - 1] + 1 if most <= len(good) else len(values)
    sink = ListSink()
    if most > len(good) < values.count("x"):
        with pytest.raises(SourceError, match="more than half of them"):
            run(readings_of(*values), sink, max_points=most)
        return
    _, counts, _ = run(readings_of(*values), sink, max_points=most)
    assert len(sink.verdicts) == counts.points == min(most, len(good))
    assert counts.refused == values[:behind].count("x")
    assert counts.missing == values[:behind].count(None)


def test_points_are_due_at_fixed_times_so_that_slow_ones_do_not_add_up():
    stop = TimedStop()
    moments = []

    def be_slow():
        moments.append(stop.now - 1000.0)
        stop.now += 0.04

    source, _, _ = run(readings_of(*range(50)), ListSink(then=be_slow), stop=stop, delay=0.1)
    assert source.most == 1
    assert moments == pytest.approx([place * 0.1 for place in range(50)])


def test_after_a_long_hold_up_points_do_not_come_in_a_rush():
    stop = TimedStop()
    moments = []

    def be_stuck_once():
        moments.append(stop.now - 1000.0)
        stop.now += 7.0 if len(moments) == 3 else 0.0

    run(readings_of(*range(6)), ListSink(then=be_stuck_once), stop=stop, delay=0.1)
    assert moments == pytest.approx([0.0, 0.1, 0.2, 7.2, 7.3, 7.4])


@pytest.mark.parametrize(("delay", "live"), [(0.0, False), (0.1, True)])
def test_without_a_delay_and_for_live_sources_nothing_waits(delay, live):
    stop = TimedStop()
    source, counts, _ = run([], stop=stop, source=ListSource(readings_of(*range(100)), live=live), delay=delay)
    assert (stop.waits, source.most, counts.points) == ([], BLOCK, 100)


def test_a_request_to_stop_ends_the_wait_for_the_next_point():
    stop = TimedStop(ends=10.05)
    source, counts, _ = run(readings_of(*range(1000)), stop=stop, delay=0.1)
    assert counts.points == 101
    assert stop.now == pytest.approx(1010.05)
    assert source.closed == 1


def test_a_request_before_the_start_ends_the_run_without_a_point():
    stop = TimedStop(ends=0.0)
    sink = ListSink()
    source, counts, _ = run(readings_of("x"), sink, stop=stop)
    assert (counts.points, counts.refused, sink.closed, source.closed) == (0, 0, 1, 1)


def test_a_real_stop_flag_ends_a_wait_of_an_hour():
    stop = StopFlag()
    counts = RunCounts(0.01)
    sink = ListSink(then=stop.request)
    Loop(run_with(ListSource(readings_of(1, 2)), counts, stop, delay=3600), [sink], notify=print).run()
    stop.close()
    assert counts.points == 1


def test_the_first_refusals_are_told_and_further_ones_only_counted():
    readings = [*readings_of(1), *[Refusal("line 7", "it is empty")] * 3, *readings_of(*["x"] * 20, *[1] * 30)]
    _, counts, notes = run(readings)
    assert notes[0] == "refused line 7: it is empty"
    assert notes[3] == "refused reading 5: 'x' is no number"
    assert len(notes) == REFUSALS_REPORTED + 1
    assert notes[-1] == "further refusals are only counted"
    assert counts.refused == 23


def test_as_many_refusals_as_are_told_need_no_further_word():
    _, _, notes = run(readings_of(1, *["x"] * REFUSALS_REPORTED, *[1] * REFUSALS_REPORTED))
    assert len(notes) == REFUSALS_REPORTED


@pytest.mark.parametrize("delay", [0.0, 0.1])
def test_a_source_whose_first_readings_are_all_refused_fails_and_tells_its_columns(delay):
    source, sink = ListSource(readings_of(*["x"] * FIRST_READINGS, 1)), ListSink()
    with pytest.raises(SourceError, match=r"first 100 readings were all refused; the only column is 'value'"):
        run([], sink, source=source, delay=delay)
    assert (sink.closed, source.closed) == (1, 1)


def test_one_good_reading_among_the_first_is_enough():
    _, counts, _ = run(readings_of(*["x"] * (FIRST_READINGS - 1), 1, *["x"] * 500, *[1] * 600))
    assert (counts.points, counts.refused) == (601, FIRST_READINGS + 499)


def test_more_than_half_of_the_readings_refused_fails_at_the_end_whatever_the_first_were():
    sink = ListSink()
    with pytest.raises(SourceError, match="51 of 101 readings were refused, more than half of them"):
        run(readings_of(*[1] * 50, *["x"] * 51), sink)
    assert len(sink.verdicts) == 50
    assert run(readings_of(*[1] * 50, *["x"] * 50))[1].refused == 50
    headers = [Refusal("line 1", HEADER_AGAIN)] * 9
    assert run([*readings_of(*[1] * 5), *headers])[1].refused == 9


def test_a_source_with_its_newest_row_first_fails_at_once():
    source = ListSource([Reading(1.0, float(1000 - k)) for k in range(500)])
    with pytest.raises(SourceError, match="the newest row comes first: turn the rows round, as with tac"):
        run([], source=source)


def test_a_source_is_said_to_be_understood_once_with_its_first_time_and_step():
    source = ListSource([Reading(1.0, 1714521600.0 + 60 * k) for k in range(5000)])
    source.reader = SimpleNamespace(understood=lambda: "value 'a'", is_like_counter=False, newest_layout=None)
    line = (
        "a list: value 'a'; first time 2024-05-01T00:00:00Z, usually every 60 s (otherwise: --column, --time-column, "
    )
    assert [note[: len(line)] for note in run([], source=source)[2]] == [line]


def test_times_from_a_start_are_told_in_seconds():
    source = ListSource([Reading(1.0, 0.25 + 0.5 * k) for k in range(30)])
    layout = SimpleNamespace(value_name="a", time_form="elapsed")
    source.reader = SimpleNamespace(understood=lambda: "value 'a'", is_like_counter=False, newest_layout=layout)
    assert "; first time 0.25 s, usually every 0.5 s (" in run([], source=source)[2][0]


@pytest.mark.parametrize(
    ("form", "step", "words"),
    [("M", 1, "month"), ("M", 3, "quarter"), ("Y", 1, "year"), ("D", 7, "week"), ("D", 1, "day"), ("h", 1, "3600 s")],
)
def test_usual_steps_of_the_calendar_are_told_by_their_words(form, step, words):
    months = np.datetime64("2020", form) + step * np.arange(30)
    source = ListSource([Reading(1.0, time) for time in months.astype("datetime64[s]").astype(float).tolist()])
    source.reader = SimpleNamespace(understood=lambda: "value 'a'", is_like_counter=False, newest_layout=None)
    assert f", usually every {words} (otherwise" in run([], source=source)[2][0]


@pytest.mark.parametrize("has_columns", [True, False])
def test_whose_holidays_are_judged_as_sundays_is_said_with_the_zone_that_they_begin_in(has_columns):
    source = ListSource([Reading(1.0, 1714521600.0 + 60 * k) for k in range(20)])
    form = "value 'a'; first time 2024-05-01T00:00:00Z, usually every 60 s; " if has_columns else ""
    if has_columns:
        source.reader = SimpleNamespace(understood=lambda: "value 'a'", is_like_counter=False, newest_layout=None)
    for said, zone in (({}, "UTC"), ({"time_zone": "Europe/Berlin"}, "Europe/Berlin")):
        (note,) = run([], source=source, holidays="DE-BY", **said)[2]
        assert f"a list: {form}public holidays of DE-BY ({zone}) are judged as Sundays (otherwise" in note


TOTALS = [5000.0 + 3.7 * k + (k % 3) / 10 for k in range(30)]


@pytest.mark.parametrize(
    ("name", "said", "is_growth"),
    [
        ("kwh_total", {}, True),
        ("kwh_total", {"gauge": True}, False),
        ("a", {}, False),
        ("a", {"counter": True}, True),
    ],
    ids=str,
)
def test_the_growth_of_a_counter_is_judged_where_that_is_asked_for_or_the_first_readings_tell(name, said, is_growth):
    for size in (1, 30):
        source, sink = ListSource([Reading(total, 60.0 * k) for k, total in enumerate(TOTALS)]), ListSink()
        layout = SimpleNamespace(value_name=name, time_form="")
        source.reader = SimpleNamespace(understood=lambda: "value 'a'", is_like_counter=True, newest_layout=layout)
        *hints, line = run([], sink, source=source, delay=0.0 if size > 1 else 0.1, **said)[2]
        values = np.diff(TOTALS) / 60.0 if is_growth else TOTALS[1:]
        np.testing.assert_allclose(sink.verdicts["value"][1:], values)
        assert ("a counter, judged by its growth" in line) == is_growth
        hint = "a list: this looks like a counter: --counter judges its growth, --gauge its values as now"
        assert hints == ([hint] if name == "a" and not said else [])


@pytest.mark.parametrize("most", [5, 20])
def test_a_run_that_ends_while_its_first_readings_are_held_back_judges_them(most):
    source, sink = ListSource([Reading(total) for total in TOTALS[:20]]), ListSink()
    layout = SimpleNamespace(value_name="kwh_total", time_form="")
    source.reader = SimpleNamespace(understood=lambda: "value 'a'", is_like_counter=True, newest_layout=layout)
    run([], sink, source=source, max_points=most)
    assert len(sink.verdicts) == most


def test_a_short_source_of_which_nothing_can_be_judged_fails_too():
    with pytest.raises(SourceError, match="the first 3 readings were all refused"):
        run(readings_of("x", "y", "z"))


def test_a_user_who_stops_early_is_not_told_that_the_source_is_useless():
    source, counts, _ = run(readings_of(*["x"] * 50), stop=TimedStop(ends=0.25), delay=0.1)
    assert (counts.points, counts.refused, source.closed) == (0, 3, 1)


def test_an_empty_source_is_a_failure():
    with pytest.raises(SourceError, match="there is no reading in it"):
        run([])


def test_repairs_are_counted():
    assert run(readings_of(" 1 ", "2"))[1].repaired == 1


def test_a_sink_that_fails_is_told_once_and_at_its_end_and_the_run_goes_on():
    failing, sound = ListSink(fails_at=BLOCK, error=FULL, closing=FULL), ListSink()
    _, counts, notes = run(readings_of(*range(BLOCK * 4)), failing, sound)
    assert notes == [
        "a list failed, the run goes on without it: No space left on device",
        "a list failed at its end: No space left on device",
    ]
    assert len(failing.verdicts) == BLOCK
    assert failing.closed == 1
    assert len(sound.verdicts) == counts.points == BLOCK * 4


def test_a_sink_that_failed_is_tried_again_and_its_return_is_told():
    def fail_twice():
        if len(sink.blocks) in {2, 3}:
            raise FULL

    sink = ListSink(then=fail_twice)
    _, _, notes = run(readings_of(*range(BLOCK * 5)), sink)
    assert notes == ["a list failed, the run goes on without it: No space left on device", "a list works again"]


def test_a_sink_that_fails_at_its_end_is_told():
    sound = ListSink()
    _, _, notes = run(readings_of(1), sound, ListSink(closing=FULL))
    assert notes == ["a list failed at its end: No space left on device"]
    assert sound.closed == 1


def test_a_reader_that_goes_away_ends_the_run_and_everything_is_closed():
    source, log = ListSource(readings_of(*range(BLOCK * 4))), ListSink(closing=ReaderGoneError())
    sinks, counts = [log, ListSink(fails_at=BLOCK, error=ReaderGoneError())], RunCounts(0.01)
    with pytest.raises(ReaderGoneError):
        Loop(run_with(source, counts, TimedStop()), sinks, notify=print).run()
    assert len(log.verdicts) == counts.points == 2 * BLOCK
    assert (log.closed, source.closed) == (1, 1)


def test_a_source_that_breaks_keeps_the_points_before_it():
    sink = ListSink()
    with pytest.raises(SourceError, match="the list broke"):
        run([], sink, source=ListSource(readings_of(1, 2, 3), broken=True))
    assert (len(sink.verdicts), sink.closed) == (3, 1)


class QuickDisk(Disk):
    """A disk that is asked to hurry: nobody pulls its plug."""

    def sync(self, descriptor):
        pass

    def sync_folder(self, folder):
        pass


class CutSource(ListSource):
    """Readings in blocks cut at given places, which can go back; it breaks at a place, if that is given."""

    def __init__(self, readings, cuts, breaks_at=None):
        super().__init__(readings)
        self._cuts = [0, *sorted(cuts), len(readings)]
        self._at, self._breaks_at = 0, breaks_at

    def read(self, stop, most):
        del stop, most
        for first, end in pairwise(self._cuts):
            if end > max(first, self._at):
                if self._breaks_at is not None and end > self._breaks_at:
                    raise SourceError("the list broke")
                block = self._readings[max(first, self._at) : end]
                self._at = end
                yield block

    def state(self):
        return {"at": packed(self._at)}

    def restore(self, state):
        self._at = unpacked(state, "at")
        return ""


def keyed_readings(seed, n=1500):
    """Readings of streams that come, fall silent, go back in time and come again, with what is refused among them."""
    rng = random.Random(seed)
    times = dict.fromkeys("abcdefghijkl", 0.0)
    found, now, pool = [], 1.7e9, [*"abcd"]
    for _ in range(n):
        now += rng.choice([1.0, 1.0, 1.0, 30.0])
        if rng.random() < 0.05:
            pool[rng.randrange(4)] = rng.choice([*times])
        key = rng.choice(pool)
        back = 400.0 if rng.random() < 0.1 else 0.0
        value = rng.gauss(0.0, 1.0) if rng.random() < 0.97 else rng.choice([40.0, "x", ""])
        found.append(Reading(value, now - back, rng.choice([None, None, "0", "1"]), False, key))
    return found


def keyed_run(model, readings, folder, cuts, breaks_at=None):
    """What a run leaves behind, kept in a checkpoint from block to block."""
    folder.mkdir(exist_ok=True)
    source, names, notes = CutSource(readings, cuts, breaks_at), StreamNames(), []
    detectors = PagedStreams(model, 0.02, silence=300.0, threads=1)
    counts = RunCounts(0.02, names=names)
    resumption = Resumption(CheckpointFile(folder / "kept", QuickDisk()), {}, 1e-9, notes.append)
    with (folder / "out.json").open("a") as out:
        sinks = [
            EventLogSink(folder / "log.txt", 2000, 20, names=names),
            ReportSink(folder / "report.csv", names=names, goes_on=resumption.has("ReportSink")),
            TerminalSink(out, "json", False, names=names),
        ]
        resumption.add_source(source)
        judge = ManyStreamsJudge(detectors, names)
        for name, part in judge.parts().items():
            resumption.add(name, part)
        resumption.add("counts", counts)
        for sink in sinks:
            resumption.add_sink(sink)
        with suppress(SourceError) if breaks_at is not None else nullcontext():
            made = run_with(source, counts, TimedStop(), judge, resumption=resumption)
            Loop(made, sinks, notify=notes.append).run()
    resumption.close()
    left = {path.name: path.read_text() for path in folder.iterdir() if not path.name.startswith("kept")}
    return {**left, "counts": counts.summary().split("\n", 1)[1], "dropped": names.dropped}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 1500), max_size=12), st.lists(st.integers(0, 1500), max_size=2), st.integers(0, 99))
def test_many_streams_leave_the_same_however_they_are_cut_and_wherever_the_run_breaks_and_goes_on(
    model, tmp_path_factory, monkeypatch, cuts, breaks, seed
):
    monkeypatch.setattr(loop, "LOOK", 32)
    readings, folder = keyed_readings(seed), tmp_path_factory.mktemp("runs")
    expected = keyed_run(model, readings, folder / "whole", [])
    for place in sorted(breaks):
        keyed_run(model, readings, folder / "broken", cuts, place)
    assert keyed_run(model, readings, folder / "broken", cuts) == expected
    assert expected["dropped"] > 12, "more often than there are streams, so not only at the end"
    assert "time" in expected["report.csv"]
