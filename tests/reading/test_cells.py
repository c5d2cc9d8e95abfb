import pytest

from streamforest.reading.cells import (
    cut_line,
    filled,
    header_separator,
    is_reading,
    names_in_columns,
    row_separator,
    split_line,
)


def test_a_quoted_cell_may_hold_the_separator_and_quotes():
    assert split_line('"a,""b""",5', ",") == ['a,"b"', "5"]
    assert split_line('"5"', None) == ["5"]
    assert split_line('"2024-05-01 12:00"  5', " ") == ["2024-05-01 12:00", "5"]
    assert split_line('5,"never closed', ",") == ["5", "never closed"]


def test_a_row_with_another_separator_is_cut_there_if_that_gives_all_columns():
    assert cut_line("1;2", ",", 2) == ["1", "2"]
    assert cut_line("1;2;3", ",", 2) == ["1;2;3"]
    assert cut_line("1,2,3;4", ",", 2) == ["1", "2", "3;4"]


@pytest.mark.parametrize("cell", ["5", " -1.5 ", "1.234,50", "21 %", "$5", "1 May 2024", "01.05.2024 1:00"])
def test_a_number_or_a_time_in_any_form_is_a_reading(cell):
    assert is_reading(cell)


@pytest.mark.parametrize("cell", ["", " ", "temp", "12X", "pump 7", "1_000"])
def test_words_and_empty_cells_are_no_readings(cell):
    assert not is_reading(cell)


def test_the_separator_is_the_one_that_makes_the_most_readings():
    assert row_separator("2024-05-01;1,5") == ";"
    assert row_separator("a;b,5,6") == ","
    assert row_separator("5 6 7") == " "
    assert row_separator("21.5") is None
    assert row_separator("2024-05-01T00:00:00|-20,21%") == "|"  # no time in a zone with 21 % behind it
    assert header_separator("time, local;value", "2024-05-01;1,5") == ";"
    assert header_separator("time value", "1714564800 5") == " "


def test_empty_cells_at_the_end_do_not_count():
    assert filled(["a", "", "b", " ", ""]) == ["a", "", "b"]
    assert filled(["", ""]) == [""]


def test_a_rare_separator_cuts_a_header_with_a_comma_in_a_name_if_it_cuts_the_row_into_more_readings():
    assert header_separator("#^time^Temp, C", "13^2024-03-01^964,2") == "^"
    assert header_separator("time,x^2", "2024-03-01,5") == ","


def test_a_row_that_lacks_a_cell_is_not_cut_at_its_decimal_commas():
    assert cut_line("0,059\t21,4", "\t", 3) == ["0,059", "21,4"]


@pytest.mark.parametrize(
    ("line", "separator"),
    [
        ("2024-03-01 00:00^21.2", "^"),
        ("1709251200~21.2", "~"),
        ("21.2 W/m^2", " "),
        ("2024-03-01,21.2 W/m^2", ","),
        ("01.03.2024 00:00^21,2", "^"),
        ("21.5 m^2", " "),
        ('"2024-03-01"~"21,5"', "~"),
        ("~21.2", None),
        ("     1.000100000        1,000,000      instructions", " "),
        ("1,000   2", ","),
    ],
)
def test_a_rare_separator_counts_only_behind_a_number_without_a_unit_or_a_time(line, separator):
    assert row_separator(line) == separator


@pytest.mark.parametrize(
    ("header", "row", "columns"),
    [
        ("Filesystem Size Use% Mounted on", "/dev/sda1 98G 33% /", (" ", ["Filesystem", "Size", "Use%", "Mounted on"])),
        ("ID   CPU %   MEM / LIMIT", "a1   5.00%   1MiB / 2GiB", ("  ", ["ID", "CPU %", "MEM / LIMIT"])),
        ("avg-cpu:  %user   %idle", "           21.20   77.00", (" ", ["%user", "%idle"])),
        ("        total   used", "Mem:    16000   2120", (" ", ["name", "total", "used"])),
        ("Time  Air temp  Hum", "2024-03-01 00:00  21.2  50", ("  ", ["Time", "Air temp", "Hum"])),
        ("            value", "2024-03-01  21.2", (" ", ["", "value"])),
        (" r  b   st UTC", " 1  0    0 2024-03-01 00:00:00", (" ", ["r", "b", "st", "UTC"])),
        ("Station of a town", "5", None),
        ("value", "5", None),
    ],
)
def test_a_header_in_columns_has_a_name_for_each_cell(header, row, columns):
    assert names_in_columns(header, row) == columns
