import json

import numpy as np
import pytest

from streamforest.protocols import Reading, Refusal
from streamforest.reading.column_layout import Layout
from streamforest.reading.line_rules import HEADER_AGAIN, LineRules
from streamforest.reading.notation import read_time
from streamforest.reading.number_form import NumberForm
from streamforest.reading.row_block import ODD, ROW_DTYPE

PLAIN = Layout(("time", "value", "ok"), 1, 0, 2, ",", "time,value,ok")


@pytest.mark.parametrize(
    ("line", "item"),
    [
        ("2024-05-01,5,no", Reading("5", "2024-05-01", "no")),
        ("2024-05-01,5", Reading("5", "2024-05-01", None)),
        ("", None),
        ("# a comment", None),
        ("time,value,ok", Refusal("line 7", HEADER_AGAIN)),
        ("2024-05-01", Refusal("line 7", "'2024-05-01' has too few cells: 1 of 3")),
        ("2024-05-01,5,no,6", Refusal("line 7", "'2024-05-01,5,no,6' has 4 cells, more than the 3 columns")),
    ],
)
def test_a_row_is_a_reading_or_says_what_is_wrong(line, item):
    assert LineRules(PLAIN).read_line(line, 7) == item


def test_numbers_and_times_are_read_by_their_forms():
    layout = PLAIN._replace(number=NumberForm(",", ".", "", "kW"), time_form="dmy", zone="+02:00")
    assert LineRules(layout).read_line("01.05.2024 02:00,1.234 kW,no", 1) == Reading("1234", 1714521600.0, "no", True)
    refused = LineRules(layout).read_line("31.02.2024,5,no", 1)
    assert refused.reason == "time '31.02.2024' cannot be read as day.month.year"


@pytest.mark.parametrize(
    ("form", "date", "clock", "moment"),
    [
        ("", "2024-05-01", "2", "2024-05-01T02:00Z"),
        ("", "2024-05-01", " 24 ", "2024-05-02T00:00Z"),
        ("dmy", "01.05.2024", "13:30", "2024-05-01T13:30Z"),
        ("compact", "20240501", "0930", "2024-05-01T09:30Z"),
        ("compact", "20240501", "9", "2024-05-01T09:00Z"),
    ],
)
def test_a_time_of_day_in_another_column_is_put_behind_its_date(form, date, clock, moment):
    layout = Layout(("date", "hour", "value"), 2, 0, None, ",", time_form=form, clock=1)
    assert LineRules(layout).read_line(f"{date},{clock},5", 1).time == read_time(moment)
    layout = layout._replace(separator=None, notation="JSON")
    line = json.dumps({"date": date, "hour": clock, "value": 5})
    assert LineRules(layout).read_line(line, 1).time == read_time(moment)


def test_of_lines_that_name_their_values_another_measure_is_passed_over():
    layout = Layout(("metric", "series", "value", "time"), 2, 3, None, notation="Graphite", only="a.b")
    rules = LineRules(layout)
    assert rules.read_line("a.b 5 1714564800", 1) == Reading("5", "1714564800", None)
    assert rules.read_line("a.c 5 1714564800", 1) is None
    assert rules.read_line("5", 1) == Refusal("line 1", "'5' is not Graphite")


def test_whole_lines_give_what_each_gives_alone():
    body = b"2024-05-01,5,no\n2024-05-02,6,\n"
    rules = LineRules(PLAIN)
    assert rules.read_lines(body, 1) == [rules.read_line(line, 1) for line in body.decode().splitlines()]
    assert rules.read_lines(b"2024-05-01,5,no\n\xff\n", 1)[1] == Refusal("line 2", "bytes that are no UTF-8")


def test_the_zone_is_taken_off_the_times_of_plain_rows_only():
    table = np.zeros(2, ROW_DTYPE)
    table["item"] = -1, ODD
    rows = LineRules(PLAIN._replace(zone="+01:00")).localised(table)
    assert rows["time"].tolist() == [-3600.0, 0.0]
