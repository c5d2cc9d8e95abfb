import pytest

from streamforest.protocols import SourceError
from streamforest.reading.table_search import MOST_LINES
from tests.layouts import layout_of, roles_of


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("timestamp,value\n2024-05-01,5", (",", 1, 0, None)),
        ("VALUE;Time\n5,1;2024-05-01", (";", 0, 1, None)),
        ("ts\ttemperature\tis_anomaly\n1714564800\t3\t0", ("\t", 1, 0, 2)),
        ("time|value|note\n5|6|x", ("|", 1, 0, None)),
        ("date temp\n2024-05-01  5", (" ", 1, 0, None)),
        ("value\n5", (None, 0, None, None)),
        ("time\n5", (None, 0, None, None)),
        ("PM 2.5\n35", (None, 0, None, None)),
        ("sensor 1,date\n5,2024-05-01", (",", 0, 1, None)),
        ("Month,Passengers\n1949-01,112", (",", 1, 0, None)),
        ("Year,Anomaly\n2024-01,0.3", (",", 1, 0, None)),
        ("name,temp\nkitchen,5", (",", 1, None, None)),
        (",time,temp\n0,2024-05-01,5", (",", 2, 1, None)),
        ("time,temp\n2024-05-01,", (",", 1, 0, None)),
        ("time;temp, °C\n2024-05-01;3,5", (";", 1, 0, None)),
        ("value,value,time\n1,2,3", (",", 0, 2, None)),
        ("Date,Time,Power\n2024-05-01,noon,3", (",", 2, 0, None)),
    ],
)
def test_a_header_and_one_row_tell_the_columns(text, roles):
    assert roles_of(text) == roles
    assert layout_of(text).header == text.splitlines()[0]


@pytest.mark.parametrize(
    ("line", "roles"),
    [
        ("5", (None, 0, None, None)),
        ("nan", (None, 0, None, None)),
        ("2024-05-01 12:00:00,5", (",", 1, 0, None)),
        ("2024-05-01 12:00:00,", (",", 1, 0, None)),
        ("2024-05-01;3,5", (";", 1, 0, None)),
        ("1714564800\t5", ("\t", 1, 0, None)),
        ("2024-05-01T12:00 5", (" ", 1, 0, None)),
        ("5,kitchen", (",", 0, None, None)),
        ("5,", (",", 0, None, None)),
    ],
)
def test_one_row_without_a_header_tells_the_columns(line, roles):
    assert roles_of(line) == roles
    assert layout_of(line).header is None


def test_comments_alone_tell_nothing_whatever_they_are_of():
    for comment in ("# TYPE load gauge", "# HELP load of a machine", "# made by hand"):
        assert layout_of(comment) is None
        assert layout_of(f"{comment}\n{comment}") is None
    layout = layout_of("# TYPE load gauge\nload 0.5")
    assert (layout.notation, layout.value_name) == ("Prometheus", "value")


def test_a_json_object_tells_the_columns_by_its_keys():
    layout = layout_of('{"time": 5, "room": "kitchen", "temp": 20.5, "label": false}')
    assert (layout.has_own_names, layout.names[layout.value], layout.time, layout.label) == (True, "temp", 0, 3)


def test_a_json_key_asked_for_may_come_with_a_later_object():
    assert layout_of('{"event": "start"}', column="temp") is None
    layout = layout_of('{"event": "start"}\n{"temp": 5}', column="temp")
    assert layout.names[layout.value] == "temp"


@pytest.mark.parametrize(
    ("text", "asked", "roles"),
    [
        ("a,b,c\n1,2,3", {"column": "b"}, (",", 1, None, None)),
        ("a,B,c\n1,2,3", {"column": "b"}, (",", 1, None, None)),
        ("a,b,b\n1,2,3", {"column": "b"}, (",", 1, None, None)),
        ("1,2,3", {"column": "3"}, (",", 2, None, None)),
        ("1,2,x", {"column": "2", "time_column": "1", "label_column": "3"}, (",", 1, 0, 2)),
        ("time,value,label\n1,2,0", {"time_column": "", "label_column": ""}, (",", 1, None, None)),
        ("time,value\n5,6", {"column": "time"}, (",", 0, None, None)),
        ("2019,temp\n5,6", {"column": "temp"}, (",", 1, None, None)),
    ],
)
def test_columns_asked_for_are_taken(text, asked, roles):
    assert roles_of(text, **asked) == roles


@pytest.mark.parametrize(
    ("text", "asked", "message"),
    [
        ("time,a,b\n5,6,7", {}, "more than one column holds numbers; choose one with --column NAME of: time, a, b"),
        ("1,2", {}, "more than one column holds numbers; .* of: 1, 2"),
        ("a,b\n5,6", {"column": "value"}, "there is no column 'value'; the columns are: a, b"),
        ("a,b\n5,6", {"column": "a", "time_column": "when"}, "there is no column 'when'"),
        ("5,6", {"column": "b"}, "there is no header, so no column 'b'; the columns are: 1, 2"),
        ("5,6", {"column": "3"}, "the columns are: 1, 2"),
    ],
)
def test_a_value_column_that_cannot_be_told_is_an_error_that_lists_the_columns(text, asked, message):
    with pytest.raises(SourceError, match=message):
        layout_of(text, **asked)


def test_one_more_line_is_wanted_only_while_no_column_holds_a_number():
    assert layout_of("time,a,b") is None
    assert layout_of("time,a,b\n5,,") is None
    assert layout_of("time,a,b\n5,,\n6,,7").value == 2
    with pytest.raises(SourceError, match="no column holds numbers"):
        layout_of("time,a,b\n" + "5,x,y\n" * (MOST_LINES - 1), is_last=True)


@pytest.mark.parametrize("title", ["Exported by hand", "timestampvalue"])
def test_a_title_above_the_table_is_no_header(title):
    layout = layout_of(f"{title}\ntime,value\n2024-05-01,5")
    assert (layout.header, layout.value) == ("time,value", 1)
    layout = layout_of(f"{title}\n2024-05-01,5")
    assert (layout.header, layout.value, layout.time) == (None, 1, 0)


def test_a_header_named_value_is_believed_though_a_damaged_row_has_more_cells():
    assert layout_of("value\n5,3").separator is None


def test_a_damaged_first_row_does_not_hide_the_columns():
    assert roles_of("timestamp,temp\n2024-05-01x5\n2024-05-02,6\n2024-05-03,7") == (",", 1, 0, None)


DF = "Filesystem 1K-blocks    Used Use% Mounted on"
DOCKER = "CONTAINER ID   NAME   CPU %   MEM USAGE / LIMIT"


@pytest.mark.parametrize(
    ("lines", "asked", "value"),
    [
        ([DF, "/dev/sda1 98559220 30000 33% /", DF, "/dev/sda1 98559220 30005 33% /"], "Used", 2),
        ([DOCKER, "abc123   web   21.20%   12MiB / 2GiB"] * 2, "CPU %", 2),
        (["      total   used", "Mem:  16000   2120", "Swap:  2000"] * 3, "used", 2),
        (["avg-cpu:  %user   %idle", "          21.20   77.00"] * 2, "%user", 0),
        (["web-0   200m   128Mi", "web-0   201m   128Mi"] * 2, "2", 1),
    ],
)
def test_a_table_in_columns_is_read_as_programs_of_the_terminal_print_it(lines, asked, value):
    layout = layout_of("\n".join(lines), is_last=True, column=asked)
    assert (layout.separator in {" ", "  "}, layout.value, layout.time) == (True, value, None)


def test_words_of_texts_are_no_table_in_columns():
    text = "Log of station two\nNumber 5 in all\ntime,value\n2024-03-01,21.5\n2024-03-02,21.7\n2024-03-03,21.6"
    assert layout_of(text, is_last=True).header == "time,value"
    text = "Report of the plant\nt|clock time|x [kW]|y\n" + "20240301|0000|23 016,91 kW|a b\n" * 5
    assert layout_of(text, is_last=True).header == "t|clock time|x [kW]|y"
    assert layout_of("t^x [kW]\n" + "20240301T000000Z^\u20ac 915\n" * 5, is_last=True).separator == "^"


def test_names_of_devices_that_come_round_are_of_several_series():
    lines = [DF, *["/dev/sda1 98559220 30000 33% /", "tmpfs 1000 5 1% /run"] * 3]
    with pytest.raises(SourceError, match="several series, by 'Filesystem'"):
        layout_of("\n".join(lines), is_last=True, column="Used")
    lines = [DF, *["tmpfs 1000 5 1% /run", "tmpfs 1000 5 1% /dev/shm"] * 3]
    with pytest.raises(SourceError, match="several series, by 'Mounted on'"):
        layout_of("\n".join(lines), is_last=True, column="Used")
    assert layout_of("\n".join([DF, *["tmpfs 1000 5 1% /run"] * 6]), is_last=True, column="Used").value == 2


def test_a_log_of_a_web_server_has_its_names_behind_fields():
    text = "#Version: 1.0\n#Fields: date time cs-uri time-taken\n2024-03-01 00:00:00 / 101\n2024-03-01 00:00:01 / 102"
    layout = layout_of(text, is_last=True, column="time-taken")
    assert (layout.names, layout.value, layout.time, layout.clock) == (
        ("date", "time", "cs-uri", "time-taken"),
        3,
        0,
        1,
    )


def test_a_comment_in_columns_has_names_for_the_cells():
    text = "#    time   counts unit events\n 1.0001   1,000,000   cycles\n 2.0001   1,000,007   cycles"
    layout = layout_of(text, is_last=True)
    assert (layout.names, layout.value, layout.time) == (("time", "counts", "unit events"), 1, 0)
