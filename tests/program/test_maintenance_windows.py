from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.program import maintenance_windows
from streamforest.program.maintenance_windows import MaintenanceWindows

MINUTES = ",".join(map(str, range(60)))
VIENNA = ZoneInfo("Europe/Vienna")


def seconds(text, zone=UTC):
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def inside(windows, *texts, zone=UTC):
    times = np.array([seconds(text, zone) for text in texts])
    return MaintenanceWindows(windows, zone).inside(times).tolist()


def test_a_window_from_a_time_to_another_begins_with_the_one_and_ends_before_the_other():
    window = ["2026-03-01T22:00/2026-03-02T06:00"]
    times = ("2026-03-01T21:59:59", "2026-03-01T22:00", "2026-03-02T05:59:59", "2026-03-02T06:00")
    assert inside(window, *times) == [False, True, True, False]
    assert inside(["2026-03-01T22:00+01:00/2026-03-02"], "2026-03-01T21:00", "2026-03-01T20:59") == [True, False]


@pytest.mark.parametrize(
    ("window", "within", "outside"),
    [
        ("daily 02:00-03:00", "2026-03-04T02:30", "2026-03-04T03:00"),
        ("daily 23:00-01:00", "2026-03-04T00:59", "2026-03-04T01:00"),
        ("daily 22:00-24:00", "2026-03-04T23:59", "2026-03-04T00:00"),
        ("Mon-Fri 12:00-13:00", "2026-03-06T12:00", "2026-03-07T12:30"),
        ("Fri-Mon 12:00-13:00", "2026-03-09T12:00", "2026-03-10T12:30"),
        ("Sat 22:00-Sun 06:00", "2026-03-08T05:59", "2026-03-07T21:59"),
        ("Sunday 22:00-Monday 06:00", "2026-03-09T05:59", "2026-03-08T06:00"),
        ("sun 08:00-20:00", "2026-03-08T08:00", "2026-03-09T08:00"),
        ("Fri 18:00-Fri 17:00", "2026-03-08T18:00", "2026-03-13T17:30"),
    ],
)
def test_weekly_windows(window, within, outside):
    assert inside([window], within, outside) == [True, False]


def test_the_clock_on_the_wall_counts_where_it_is_put_forward():
    """On 29 March 2026 it is 03:00 in Vienna after 01:59:59."""
    window = MaintenanceWindows(["daily 04:00-05:00"], VIENNA)
    times = [seconds(f"2026-03-{day}T0{hour}:30") for day, hour in ((28, 3), (28, 2), (29, 2), (29, 3))]
    assert window.inside(np.array(times)).tolist() == [True, False, True, False]


def test_several_windows_that_overlap_are_one_and_unknown_times_are_in_none():
    windows = ["2026-03-01/2026-03-03", "2026-03-02/2026-03-04", "daily 12:00-13:00"]
    times = ["2026-03-01T00:00", "2026-03-03T23:59", "2026-03-04T00:00", "2026-03-04T12:00"]
    assert inside(windows, *times) == [True, True, False, True]
    assert MaintenanceWindows(windows).inside(np.array([np.nan, np.inf])).tolist() == [False, False]
    assert MaintenanceWindows(windows).inside(np.array([1e14])).tolist() == [False]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(1.77e9, 1.80e9), min_size=1, max_size=12), st.data())
def test_times_are_inside_or_not_however_they_are_asked_for(times, data):
    windows = ["daily 23:00-02:00", "Sat 22:00-Mon 06:00", "2027-01-01/2027-03-01"]
    together = MaintenanceWindows(windows, VIENNA).inside(np.array(times))
    one = MaintenanceWindows(windows, VIENNA)
    order = data.draw(st.permutations(range(len(times))))
    alone = {at: bool(one.inside(np.array([times[at]]))[0]) for at in order}
    assert [alone[at] for at in range(len(times))] == together.tolist()


@pytest.mark.parametrize(
    "text", ["sometimes", "2026-03-02/2026-03-01", "Mun 10:00-11:00", "daily 25:00-26:00", "2026-03-01"]
)
def test_what_is_no_window_is_named_with_what_is_one(text):
    with pytest.raises(ValueError, match="write 2026-03-01T22:00/2026-03-02T06:00, 'daily 02:00-03:00'"):
        MaintenanceWindows([text])


CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:1
DTSTART;TZID=Europe/Vienna:20260301T220000
DURATION:PT2H
RRULE:FREQ=WEEKLY;BYDAY=SU
EXDATE;TZID=Europe/Vienna:20260308T220000
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART;VALUE=DATE:20260501
END:VEVENT
BEGIN:VEVENT
UID:3
DTSTART:20260601T100000Z
DTEND:20260601T113000Z
END:VEVENT
END:VCALENDAR
"""


def test_a_calendar_gives_its_events_with_those_that_recur_and_without_those_that_do_not(tmp_path):
    pytest.importorskip("icalendar", reason="needs streamforest/requirements/icalendar.txt")
    path = tmp_path / "work.ics"
    path.write_text(CALENDAR.replace("\n", "\r\n"), encoding="utf-8")
    times = ["2026-03-01T21:30", "2026-03-08T21:30", "2026-03-15T22:59", "2026-03-15T23:00", "2026-03-29T20:30"]
    assert inside([str(path)], *times) == [True, False, True, False, True]
    assert inside([str(path)], "2026-05-01T23:00", "2026-05-02T00:00") == [True, False]
    assert inside([str(path)], "2026-06-01T11:29", "2026-06-01T11:30") == [True, False]


def test_a_calendar_that_is_none_or_not_there_is_named(tmp_path):
    pytest.importorskip("icalendar", reason="needs streamforest/requirements/icalendar.txt")
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        MaintenanceWindows([str(tmp_path / "no.ics")])
    (tmp_path / "bad.ics").write_text("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR\n", encoding="utf-8")
    with pytest.raises(ValueError, match="is not understood"):
        MaintenanceWindows([str(tmp_path / "bad.ics")])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("DTEND:19000101T000001Z\nRRULE:FREQ=SECONDLY", "recurs hourly or less often"),
        ("DURATION:PT1H\nRRULE:FREQ=MINUTELY;BYMONTH=2", "recurs hourly or less often"),
        ("DURATION:PT1H\nRRULE:FREQ=DAILY;INTERVAL=0", "at an interval of at least 1"),
        (
            f"DURATION:PT1H\nRRULE:FREQ=DAILY;BYMINUTE={','.join(map(str, range(60)))};BYHOUR=1,2,3",
            "more than 1,000,000",
        ),
        ("DURATION:P99999D\nRRULE:FREQ=DAILY", "lasts at most 366 days"),
        ("DURATION:P999999999999D\nRRULE:FREQ=DAILY", "is no duration"),
        ("DURATION:P99999999D", "is not understood"),
        ("DURATION:PT1H\nRRULE:FREQ=HOURLY", "more than 1,000,000 times until 10 years ahead"),
    ],
)
def test_a_calendar_that_would_take_for_ever_is_refused_in_one_line(tmp_path, line, why):
    pytest.importorskip("icalendar", reason="needs streamforest/requirements/icalendar.txt")
    path = tmp_path / "endless.ics"
    event = f"BEGIN:VEVENT\nUID:1\nDTSTART:19000101T000000Z\n{line}\nEND:VEVENT"
    path.write_text(f"BEGIN:VCALENDAR\n{event}\nEND:VCALENDAR\n".replace("\n", "\r\n"), encoding="utf-8")
    with pytest.raises(ValueError, match=f"endless.ics is not understood: .*{why}" if "under" not in why else why):
        MaintenanceWindows([str(path)])


def test_a_calendar_is_read_once_however_long_the_stream_goes_on(tmp_path, monkeypatch):
    pytest.importorskip("icalendar", reason="needs streamforest/requirements/icalendar.txt")
    path = tmp_path / "hourly.ics"
    path.write_text(CALENDAR.replace("FREQ=WEEKLY;BYDAY=SU", "FREQ=HOURLY").replace("PT2H", "PT10M"), encoding="utf-8")
    windows = MaintenanceWindows([str(path)])
    rrule = pytest.importorskip("dateutil.rrule")
    monkeypatch.setattr(rrule.rrule, "__iter__", lambda _: pytest.fail("read again"))
    for at in ("2026-03-05T12", "2027-03-05T12", "2029-01-01T00", "2026-03-05T12"):
        times = np.array([seconds(f"{at}:{minutes}") for minutes in ("05", "15")])
        assert windows.inside(times).tolist() == [True, False]


@pytest.mark.parametrize("far", ["9999-12-31T00:00", "0001-01-10T00:00", "5000-06-01T02:30"])
def test_a_far_time_costs_no_more_than_any_other(far, monkeypatch):
    spans = []
    merged = maintenance_windows._merged
    monkeypatch.setattr(maintenance_windows, "_merged", lambda some: spans.append(merged(some)) or spans[-1])
    windows = MaintenanceWindows(["daily 02:00-03:00"])
    times = np.array([seconds(text) for text in ("2026-03-05T02:10", far, "2026-03-05T03:10")])
    assert windows.inside(times).tolist() == [True, far.endswith("02:30"), False]
    assert max(map(len, spans)) < 100
