import pytest

from streamforest.reading.notation import RefusedError
from streamforest.reading.number_form import (
    AmbiguousNumberError,
    NumberForm,
    is_formed_number,
    learn_number_form,
)


@pytest.mark.parametrize(
    ("cells", "separator", "plain"),
    [
        (["964", "1.003"], ";", ["964", "1003"]),
        (["2.120,00", "2.130,5"], ";", ["2120,00", "2130,5"]),
        (["21.2%", "n/a", "-3%"], ",", ["21.2", "", "-3"]),
        (["1,234.5", "12"], ",", ["1234.5", "12"]),
        (["1,234", "12"], ",", ["1234", "12"]),
        (["21,5", "20,25"], "\t", ["21,5", "20,25"]),
        (["$1,234.50", "-$5"], ",", ["1234.50", "-5"]),
        (["EUR 5", "EUR 6.5"], ",", ["5", "6.5"]),
        (["1\u202f234,5", "1 234,5"], ";", ["1234,5", "1234,5"]),
        (["1'234.5", "1\u2019234.5"], ",", ["1234.5", "1234.5"]),
        (["21.503", "20.998"], ";", ["21.503", "20.998"]),
        (["0,2", "\u22120,3"], ";", ["0,2", "-0,3"]),
        (["(1,234.50)", "5.10"], ",", ["-1234.50", "5.10"]),
        (["1.5e3", "2E-3"], ",", ["1.5e3", "2E-3"]),
        (["on", "off", "unavailable"], ",", ["1", "0", ""]),
        (["EIN", "aus"], ";", ["1", "0"]),
        (["oui", "non", "oui"], ";", ["1", "0", "1"]),
        (["\u201312.50", "3.10"], ",", ["-12.50", "3.10"]),
        (["834", "975", "1.048"], ",", ["834", "975", "1048"]),
        (["1.048", "2", "0.5"], ",", ["1.048", "2", "0.5"]),
        (["21,5", "20.5"], ";", ["21,5", "20,5"]),
        (["12,50-", "3,10"], ";", ["-12,50", "3,10"]),
        # no cents, as Swiss, German and Dutch amounts have them
        (["1\u2019234.-", "98.50"], ";", ["1234.", "98.50"]),
        (["CHF 100.--", "CHF 5.50"], ",", ["100.", "5.50"]),
        (["1.234,- \u20ac", "3,10 \u20ac"], ";", ["1234,", "3,10"]),
        # lakhs and crores
        (["12,34,567.50", "1,00,000", "98"], ",", ["1234567.50", "100000", "98"]),
        (["\u20b9 1,23,45,678", "\u20b9 5"], ",", ["12345678", "5"]),
        (["12.50 -", "3.10 +", "4"], ",", ["-12.50", "3.10", "4"]),
        (["1.250,00 S", "3,10 H"], ";", ["-1250,00", "3,10"]),
        (["12.50 Dr.", "3.10 Cr.", "-12.50 Dr."], ",", ["-12.50", "3.10", "-12.50 Dr."]),
    ],
)
def test_the_form_of_a_column_is_learnt_and_its_cells_become_plain(cells, separator, plain):
    form = learn_number_form(cells, separator)
    assert [form.normalised(cell) for cell in cells] == plain


@pytest.mark.parametrize("cells", [["12B", "3A"], ["5 kitchen", "6 bath"], ["pump 1", "pump 2"], ["", "n/a"], ["<5"]])
def test_what_is_no_column_of_numbers_is_told(cells):
    assert learn_number_form(cells) is None


@pytest.mark.parametrize(
    ("cells", "separator"),
    [(["28,876", "26,650"], "|"), (["11.084", "22.853", "14.001", "12.120", "19.100", "9"], "\t")],
)
def test_what_could_be_decimals_and_thousands_is_asked_for(cells, separator):
    with pytest.raises(AmbiguousNumberError, match="say --decimal comma or --decimal dot"):
        learn_number_form(cells, separator)
    assert learn_number_form(cells, separator, ".").decimal == "."
    assert learn_number_form(cells, separator, ",").decimal == ","


@pytest.mark.parametrize(
    ("cells", "other", "message"),
    [
        (["964", "971"], "1.003", "'1.003' may have a decimal point or thousands: say --decimal"),
        (["1.964", "2.971"], "803", "'803' stands beside numbers such as 1.234"),
        (["on", "off"], "5", "'5' is neither on nor off"),
    ],
)
def test_a_cell_that_could_be_two_things_is_refused_by_itself(cells, other, message):
    form = learn_number_form(cells, ";")
    with pytest.raises(RefusedError, match=message):
        form.normalised(other)


def test_another_unit_is_no_number_of_the_column():
    form = learn_number_form(["5 kB", "6 kB"])
    assert form.normalised("7 MB") == "7 MB"  # the validator refuses it
    assert form == NumberForm(suffix="kB")
    assert form.unit == "kB"


def test_a_unit_that_is_known_makes_one_cell_a_number():
    assert is_formed_number("21.5 \u00b0C")
    assert not is_formed_number("1.2.3")


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1:02:03", "3723"),
        ("5:43", "343"),
        ("-0:30", "-30"),
        ("0 days 00:00:01.500000", "1.500000"),
        ("2 days, 1:00:00", "176400"),
        ("00:59:03,25", "3543.25"),
        ("n/a", ""),
    ],
)
def test_durations_are_numbers_of_their_smallest_part(cell, number):
    form = learn_number_form(["1:02:03", cell, "0:59:07"])
    assert form.kind == "duration"
    assert form.normalised(cell) == number


@pytest.mark.parametrize("cells", [["0xC8", "0xC9"], ["10:", "11:"], ["1 2:3", "1 2:4"]])
def test_what_is_no_number_is_none_with_a_strange_unit(cells):
    assert learn_number_form(cells) is None


def test_few_numbers_with_three_digits_behind_a_dot_are_asked_about_beside_whole_ones_of_another_size():
    with pytest.raises(AmbiguousNumberError, match="--decimal comma or --decimal dot"):
        learn_number_form(["26.002", "21.024", "-708", "24.994"], "|")
    assert learn_number_form(["26.002", "21.024", "24", "24.994"], "|").decimal == "."


def test_amounts_as_accountants_have_them_are_read_with_their_brackets_and_dashes():
    cells = ["$ (1,234.56)", "$ 12.50", "$ -   ", "$ (3.00)", "n/a"]
    form = learn_number_form(cells)
    assert [form.normalised(cell) for cell in cells] == ["-1234.56", "12.50", "0", "-3.00", ""]


def test_letters_for_estimated_and_provisional_numbers_are_passed_over():
    cells = ["12.3 b", "12.4", ": z", ":", "1234 p", "5 bp"]
    form = learn_number_form(cells, "\t")
    assert [form.normalised(cell) for cell in cells] == ["12.3", "12.4", "", "", "1234", "5"]
    assert learn_number_form(["5 s", "6 s"]).suffix == "s"
    assert learn_number_form(["5 d", "6 s"]).kind == "scaled"
    assert learn_number_form(["1.5 kb", "700 b"]).kind == "scaled"
    assert [form.normalised(cell) for cell in ("5 kW", "12.4 bpm")] == ["5 kW", "12.4 bpm"]


def test_a_quarter_is_no_number_with_its_sign_behind():
    assert learn_number_form(["2019-Q1", "2019-Q2"]) is None
    assert not is_formed_number("2019-Q1")


def test_small_letters_are_units_and_no_words_of_banks():
    form = learn_number_form(["30 s", "2 h"])
    assert [float(form.normalised(cell)) for cell in ("30 s", "2 h")] == [30, 7200]
    form = learn_number_form(["30 S", "2 H"])
    assert [form.normalised(cell) for cell in ("30 S", "2 H")] == ["-30", "2"]


def test_binary_prefixes_without_a_unit_are_of_several_sizes():
    form = learn_number_form(["1.5Gi", "512Mi"])
    assert [float(form.normalised(cell)) for cell in ("1.5Gi", "512Mi")] == [1.5 * 2**30, 2.0**29]
