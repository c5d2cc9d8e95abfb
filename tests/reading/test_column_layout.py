from streamforest.reading.column_layout import ANY_DIALECT, Asked, Dialect, Layout, listed
from streamforest.reading.number_form import NumberForm


def test_many_and_strange_names_make_a_short_message():
    assert listed(["a", "\x1b[31m", "", "x" * 50]) == rf"a, '\x1b[31m', '', '{'x' * 40}'..."
    assert listed([str(at) for at in range(30)]).endswith("18, 19 and 10 more")


def test_what_was_understood_names_columns_forms_and_units():
    layout = Layout(("when", "clock", "Flow", "ok", "pump"), 2, 0, 3, ";", "a header", 4, time_form="dmy", clock=1)
    layout = layout._replace(number=NumberForm(",", "."), unit="l/min", zone="Europe/Vienna")
    assert layout.understood() == (
        "value 'Flow' in l/min; time 'when' and 'clock' (day.month.year, Europe/Vienna); label 'ok'; "
        "streams by 'pump'; ';' between cells; decimal comma, '.' between thousands; header read"
    )
    assert Layout(("1",), 0, None, None).understood() == (
        "value '1'; no times; one cell a line; decimal point; no header"
    )
    assert Layout(("a.b",), 0, None, None, notation="JSON").understood() == "value 'a.b'; no times; JSON"


def test_a_layout_asks_for_its_own_columns_by_name():
    layout = Layout(("time", "value", "pump"), 1, 0, None, ",", key=2)
    assert layout.columns() == Asked("value", "time", "", "pump")
    assert layout._replace(only="a.b").columns().column == "a.b"


def test_the_decimal_sign_is_the_one_that_was_said():
    assert [Dialect(decimal=word).decimal_sign for word in ("dot", "comma")] == [".", ","]
    assert ANY_DIALECT.decimal_sign is None
