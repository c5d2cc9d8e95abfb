import signal
import sys

import pytest

from streamforest.reading.objects import READERS, flattened, notation_of, value_at


@pytest.mark.parametrize(
    ("line", "notation", "fields"),
    [
        ('{"a": 1}', "JSON", {"a": 1}),
        ("[5, 6]", "JSON", {"1": 5, "2": 6}),
        (
            r'wea\ ther,city=St\,\ Gallen temp=82.5,n=71i,note="a, b" 1465839830100400200',
            "InfluxDB line protocol",
            {"city": "St, Gallen", "temp": "82.5", "n": "71", "note": "a, b", "measurement": "wea ther"},
        ),
        ("srv.cpu;host=a 1.5 1714521600", "Graphite", {"metric": "srv.cpu", "host": "a", "value": "1.5"}),
        ("temp:3.2|g|#host:a,rack:7", "StatsD", {"metric": "temp", "value": "3.2", "host": "a", "rack": "7"}),
        (
            'http_total{method="po\\"st",code="200"} 1027 1395066363000',
            "Prometheus",
            {"metric": "http_total", "method": 'po"st', "value": "1027", "time": "1395066363000"},
        ),
        ('time=2024-01-01 level=info msg="a b" dur=1.5', "logfmt", {"msg": "a b", "dur": "1.5"}),
    ],
)
def test_a_line_is_read_in_the_notation_that_it_is_told_to_be(line, notation, fields):
    assert notation_of([line]) == notation
    assert fields.items() <= READERS[notation](line).items()


@pytest.mark.parametrize("line", ["PM 2.5", "time,value", "1,2", "kitchen 5", "1 2 3", "Temp: 5", "sensor a, b", ""])
def test_rows_and_headers_are_no_lines_of_metrics(line):
    assert notation_of([line]) == ""


def test_a_prometheus_text_without_labels_is_told_by_its_comments():
    assert notation_of(["1,2", "3,4", '{"a": 5}', "6,7", "8,9"]) == ""
    assert notation_of(["# a log", '{"a": 5}', '{"a": 6}', "7,8", '{"a": 9}']) == "JSON"
    assert notation_of(["# HELP up whether", "# TYPE up gauge", "up 1"]) == "Prometheus"


def test_values_have_dotted_names():
    found = {"Time": 5, "ENERGY": {"Power": 21, "Phase": [1, {"v": 2}]}, "a.b": 7, "none": {}}
    names = {"Time": 5, "ENERGY.Power": 21, "ENERGY.Phase.0": 1, "ENERGY.Phase.1.v": 2, "a.b": 7, "none": {}}
    assert flattened(found) == names
    assert [value_at(found, name) for name in names] == list(names.values())
    for name in ("ENERGY.x", "ENERGY.Phase.2", "Time.x", "x"):
        with pytest.raises(KeyError):
            value_at(found, name)


def test_numbers_with_names_and_colons_are_read_where_several_lines_have_them():
    lines = ["Temperature: 21.5 C, Humidity: 40 %"] * 3
    assert notation_of(lines) == "name: value"
    assert READERS["name: value"](lines[0]) == {"Temperature": "21.5", "Humidity": "40"}
    assert READERS["name: value"]("temp:\t21.5") == {"temp": "21.5"}
    assert notation_of(["Height: 30"]) == ""  # it may stand before a table
    assert READERS["name: value"]("12:30 5") is None
    assert READERS["name: value"]("took: 5 ms of 7") is None


def test_an_object_behind_a_topic_or_a_time_is_read_with_it():
    read = READERS["JSON behind words"]
    assert read('home/a {"t": {"in": 21.5}}') == {"topic": "home/a", "t.in": 21.5}
    line = '2024-03-01T00:00:00Z stdout F {"ms": 5}'
    assert read(line) == {"time of the line": "2024-03-01T00:00:00Z", "ms": 5}
    assert notation_of([line]) == "JSON behind words"
    assert read('{"a": 1}') is None
    assert read('home/a {"t": ') is None


def test_the_time_of_a_line_may_stand_behind_its_level_and_an_object_in_quotes():
    read = READERS["JSON behind words"]
    line = "info  2024-03-01 00:10:00: MQTT publish: topic 'a/b', payload '{\"t\": 21.5}'"
    assert read(line) == {"time of the line": "2024-03-01 00:10:00", "t": 21.5}
    assert read('1709251200,21.5, {"t": 5}') is None


def test_a_time_with_a_fraction_stands_behind_a_metric():
    assert READERS["Prometheus"]('load{host="a"} 0.5 1709251200.5')["time"] == "1709251200.5"


@pytest.mark.skipif(sys.platform == "win32", reason="no timer of processor time")
@pytest.mark.parametrize("name", READERS)
def test_no_line_takes_longer_than_a_few_looks_at_each_character(name):
    """A pattern that looks at the rest of a line from each of its characters takes ten seconds and more for one."""
    units = ["x", "1", " ", "/", "x-", "x ", "a:", "a=", 'a="', "a b ", ",", "}", "a,", "\\,"]
    lines = [
        start + unit * (2**16 // len(unit)) + end for unit in units for start in ("", "a ", "a{") for end in ("", "} !")
    ]

    def too_long(*_):
        raise AssertionError(f"{name} takes for ever")

    earlier = signal.signal(signal.SIGVTALRM, too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, 8.0)
    try:
        for line in lines:
            READERS[name](line)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, earlier)


def test_a_topic_has_something_before_and_behind_its_slash():
    found = {line: READERS["topics of MQTT"](line) is not None for line in ("a/b 1", "/b/c 1", "a/ 1", "/b 1", "//c 1")}
    assert list(found.values()) == [True, True, False, False, True]


def test_values_with_names_between_tabs_are_read_with_the_blanks_in_them():
    lines = ["ts:2024-03-01 00:00:00\tv:21.5", "ts=2024-03-01 00:00:00\tv=21.5", "TIMET::1709251200\tHOSTNAME::a b"]
    assert {notation_of([line]) for line in lines} == {"name:value between tabs"}
    assert READERS["name:value between tabs"](lines[1]) == {"ts": "2024-03-01 00:00:00", "v": "21.5"}
    assert notation_of(["Temp: 21.5\tHum: 40"] * 3) == "name: value"
