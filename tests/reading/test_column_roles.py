import pytest

from streamforest.protocols import SourceError
from tests.layouts import layout_of, roles_of


@pytest.mark.parametrize(
    ("text", "key", "roles"),
    [
        ("time,pump,value\n2024-05-01,a,5", "pump", (",", 2, 0, None)),
        ("id,temp\n1714564800,5", "id", (",", 1, None, None)),
        ("class;temp\n7;5", "CLASS", (";", 1, None, None)),
        ("1714564800,5,3", "3", (",", 1, 0, None)),
        ("1714564800,5", "1", (",", 1, None, None)),
    ],
)
def test_the_key_column_is_no_other_one(text, key, roles):
    assert roles_of(text, key_column=key) == roles
    layout = layout_of(text, key_column=key)
    assert layout.names[layout.key].lower() == key.lower()
    assert layout.columns().key_column == layout.names[layout.key]


def test_a_key_column_that_is_not_there_is_refused_and_in_json_lines_waited_for():
    with pytest.raises(SourceError, match="there is no column 'pump'; the columns are: time, value"):
        layout_of("time,value\n1714564800,5", key_column="pump")
    assert layout_of('{"value": 1}', key_column="pump") is None
    assert layout_of('{"value": 1}\n{"value": 1, "pump": "a"}', key_column="pump").key == 1


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("row,when,temp\n1,2024-05-01,5.5\n2,2024-05-02,6.5", (",", 2, 1, None)),
        ("no,temp\n1,5\n2,7\n3,6\n4,5\n5,6", (",", 1, None, None)),
        ("temp,stamp,ok\n5,1714564800,yes\n6,1714564860,yes", (",", 0, 1, None)),
    ],
)
def test_a_column_of_times_or_row_numbers_is_no_value_wherever_it_stands(text, roles):
    assert roles_of(text) == roles


@pytest.mark.parametrize("damaged", ["12,5", "\u0661\u0662,1", "12,1000,abc", "17,"])
def test_a_damaged_row_leaves_a_column_of_unix_times_without_a_name_what_it_is(damaged):
    rows = [f"{1714564800 + 60 * k},{k % 7}.25" for k in range(20)]
    assert roles_of("\n".join([*rows[:9], damaged, *rows[9:]])) == (",", 1, 0, None)


def test_a_clock_beside_a_date_belongs_to_it():
    layout = layout_of("Date,Time,Flow\n01.05.2024,12:00,5\n01.05.2024,12:10,6")
    assert (layout.time, layout.clock, layout.value) == (0, 1, 2)
    layout = layout_of("date,hour,temp\n2024-05-01,0,5.5\n2024-05-01,1,6.5")
    assert (layout.time, layout.clock, layout.value) == (0, 1, 2)
    layout = layout_of("date,hours,temp\n2024-05-01,0,5.5\n2024-05-01,31,6.5", column="temp")
    assert (layout.time, layout.clock, layout.value) == (0, None, 2)
    layout = layout_of("Date,Flow\n01.05.2024 12:00,5\n01.05.2024 12:10,6")
    assert (layout.time, layout.clock, layout.value) == (0, None, 1)


@pytest.mark.parametrize(
    ("name", "unit"), [("Load [MWh]", "MWh"), ("Temp, \u00b0C (LGR S/N: 1)", "\u00b0C"), ("x", "")]
)
def test_the_unit_of_the_value_is_the_one_in_its_name(name, unit):
    assert layout_of(f'time;"{name}"\n2024-05-01;5').unit == unit


TOOK = [224.6, 105.8, 248.4, 193.1, 120.5, 287.0]


def test_how_long_something_took_is_no_time_and_what_goes_on_is_one():
    rows = "\n".join(f"{took},{10 + k % 3}" for k, took in enumerate(TOOK))
    with pytest.raises(SourceError, match="more than one column holds numbers"):
        layout_of(f"response_time,users\n{rows}", is_last=True)
    rows = "\n".join(f"{k * 0.5},{10 + k % 3}" for k in range(6))
    assert roles_of(f"run_time,users\n{rows}") == (",", 1, 0, None)
    assert layout_of(f"run_time,users\n{rows[:7]}") is None  # a few rows may be of either
    assert roles_of("time,users\n0.5,10") == (",", 1, 0, None)
    assert roles_of("time_series_id,value\n" + "7,21.5\n" * 5) == (",", 1, None, None)


@pytest.mark.parametrize("name", ["Interval start", "X_Value", "second", "bucket_start"])
def test_seconds_from_a_start_have_names_of_their_own(name):
    rows = "\n".join(f"{k * 0.5},{10 + k % 3}" for k in range(6))
    assert roles_of(f"{name},value 2\n{rows}") == (",", 1, 0, None)


def test_a_time_that_is_the_same_in_all_rows_is_not_theirs():
    rows = "\n".join(f"2024-03-31 23:00,2024-0{k},5" for k in range(1, 6))
    assert roles_of(f"updated,period,x\n{rows}") == (",", 2, 1, None)


def test_numbers_of_years_are_years_if_the_name_says_so():
    rows = "\n".join(f"{1960 + k},{k % 3}.5" for k in range(6))
    assert layout_of(f"date,x\n{rows}").time_form == "years"
