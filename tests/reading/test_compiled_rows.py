import math
import struct
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamforest.protocols import LABELS, Refusal, SourceError
from streamforest.reading import line_reader as rows
from streamforest.reading.column_layout import Layout
from streamforest.reading.compiled_rows import ODD, read_rows
from streamforest.reading.line_reader import LIMIT, RowReader
from streamforest.reading.line_rules import LineRules
from streamforest.reading.notation import LABEL_CODES, MISSING, read_time, read_value
from streamforest.reading.number_form import NumberForm
from streamforest.reading.python_values import LATEST
from streamforest.reading.row_block import PARSED
from streamforest.reading.validation import Validator

VALUE, TIMED, LABELLED = (1, 0, None, None), (2, 1, 0, None), (3, 1, 0, 2)


read_rows(b"1\n", None, VALUE, 0, 1)  # compiled before a test's time counts


def value_of(text):
    """What the compiled reader makes of a value; None where it leaves it to the line reader."""
    row = read_rows(f"{text}\n".encode(), ",", VALUE, 0, 1)[0]
    return None if row["item"] == ODD else float(row["value"])


def time_of(text):
    row = read_rows(f"{text},1\n".encode(), ",", TIMED, 0, 1)[0]
    return None if row["item"] == ODD else float(row["time"])


def bits(number):
    return struct.pack("<d", number)


def halfway(number):
    """The number between a float and the next one, as the shortest text of digits."""
    middle = (Fraction(number) + Fraction(math.nextafter(number, math.inf))) / 2
    return f"{middle.numerator / middle.denominator:.20g}"


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-0.0)
@example(5e-324)
def test_a_float_as_python_writes_it_is_read_to_the_bit_or_left(number):
    for text in (repr(number), f"{number:.6f}", f"{number:.12e}"):
        found = value_of(text)
        assert found is None or bits(found) == bits(float(text))


@settings(max_examples=300)
@given(st.integers(0, 2**62 - 1), st.integers(0, 22), st.sampled_from(["", "-", "+"]))
@example(2**53 + 1, 0, "")
@example(9007199254740993, 3, "-")
def test_digits_with_a_point_anywhere_are_read_to_the_bit(mantissa, places, sign):
    digits = str(mantissa).rjust(places + 1, "0")
    text = sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)
    found = value_of(text)
    if found is None:
        assert mantissa > 2**62 - 20
    else:
        assert bits(found) == bits(float(text))


@given(st.floats(1e-3, 1e15))
def test_a_number_close_to_the_middle_of_two_floats_goes_to_the_nearest(number):
    for text in (halfway(number), halfway(number)[:18], halfway(number)[:-1] + "1"):
        found = value_of(text)
        assert found is None or bits(found) == bits(float(text))


def test_what_a_sensor_writes_is_read_without_the_line_reader():
    texts = [
        "1",
        "-2.5",
        "+3.",
        ".5",
        " 6 ",
        "1e3",
        "2.5E-3",
        "101.28818475315546",
        "0.1234567890123456",
        "1714521600000000000",
    ]
    assert [value_of(text) for text in texts] == [float(text) for text in texts]
    assert all(math.isnan(value_of(text)) for text in ("NaN", "null", "N/A", " None "))


@pytest.mark.parametrize(
    "text", ["", " ", "x", "1_0", "0x1", "inf", "-inf", "1e", "1e+", "1 2", "--1", "-.", "e5", "1,5", '"1"']
)
def test_what_has_to_be_repaired_refused_or_skipped_is_left(text):
    row = read_rows(f"{text}\n".encode(), None, VALUE, 0, 1)[0]
    assert row["item"] == ODD


ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.one_of(st.none(), st.just(UTC), ZONES))


@given(MOMENTS, st.sampled_from(["auto", "minutes", "seconds", "milliseconds"]), st.sampled_from("T "), st.booleans())
@example(datetime(2024, 2, 29, 23, 59, 59, 500_000), "auto", "T", False)
@example(datetime(1900, 3, 1), "minutes", " ", True)
def test_a_time_is_read_to_the_bit_or_left(moment, precision, between, has_slashes):
    text = moment.isoformat(between, precision)
    text = text[:10].replace("-", "/") + text[10:] if has_slashes else text
    found = time_of(text)
    assert found is None or bits(found) == bits(read_time(text))


def test_the_usual_notations_of_time_are_read_without_the_line_reader():
    texts = ["2024-05-01", "2024/05/01 12:00", "2024-05-01T12:00:00Z", "2024-05-01 12:00:00.5+02:00", "1714521600.25"]
    texts += ["1714521600123", "1714521600123456", "1714521600123456789", "-5"]
    assert [time_of(text) for text in texts] == [read_time(text) for text in texts]
    assert time_of("") is None  # its row may sum up others


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29",
        "2024-13-01",
        "2024-00-01",
        "2024-01-00",
        "2024-05-01T24:00",
        "2024-05-01 12:60",
        "2024-05-01 12:00:60",
        *(
            "0000-01-01",
            "2024-05/01",
            "2024-05",
            "2024-05-01T",
            "2024-05-01T12:00:00.",
            "2024-05-01T12:00+24:00",
            "soon",
        ),
    ],
)
def test_a_time_that_is_none_is_left(text):
    assert time_of(text) is None


def test_labels_are_words_and_numbers_in_any_case():
    known = {word: code for word, code in LABEL_CODES.items() if "1.#" not in word}  # digits first: a closer look
    words = [*known, *(word.upper() for word in known), "0", "1.0", "2"]
    codes = [*known.values(), *known.values(), 0, 1, 1]
    table = read_rows("".join(f"1,2,{word}\n" for word in words).encode(), ",", LABELLED, 0, 1)
    assert (table["item"] == PARSED).all()
    assert table["label"].tolist() == codes
    assert set(LABELS) <= set(words)


def test_rows_know_where_they_stand():
    table = read_rows(b"1\n\n22\r\n", None, VALUE, 100, 7)
    assert table[["start", "end", "line"]].tolist() == [(100, 102, 7), (102, 103, 8), (103, 107, 9)]
    assert table["item"].tolist() == [PARSED, ODD, PARSED]


VALUES = st.one_of(
    st.floats().map(repr),
    st.integers(-9999, 9999).map(lambda n: f"{n / 100:.2f}"),
    st.sampled_from(sorted(MISSING)),
    st.sampled_from(["1,5", " 2", "3 ", "1_0", "x", '"4"', '"4;5"', "1e999", "0x1", "\u0663", "5\r", "1e-320"]),
)
STARTS = st.integers(0, 2**31).map(float)
LABEL_CELLS = st.sampled_from(["0", "1", "", "spike", "Level Shift", "rare", "true", "nan", "-1", "1e999"])


@st.composite
def texts(draw):
    """Bytes as a file may hold them: rows mostly plain, of one layout, some spoiled; and how they are cut in chunks."""
    separator = draw(st.sampled_from([",", ";", "\t", "|", " "]))
    has_time, has_label = draw(st.booleans()), draw(st.booleans())
    names = ["time"] * has_time + ["value"] + ["label"] * has_label + draw(st.sampled_from([[], ["note"]]))
    form = draw(st.sampled_from(["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y/%m/%d %H:%M", "unix", "ms"]))
    seconds, lines = draw(STARTS), [separator.join(names)] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 40))):
        seconds += draw(st.sampled_from([60, 60, 60, 0.5, 0, -60]))
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        time = str(seconds) if form == "unix" else str(int(seconds * 1000)) if form == "ms" else moment.strftime(form)
        plain = f"{draw(st.floats(-1e3, 1e3)):.3f}"
        value = draw(VALUES) if draw(st.integers(0, 9)) == 0 else plain
        time = draw(st.sampled_from(["", "soon", time + " "])) if draw(st.integers(0, 19)) == 0 else time
        cells = [time] * has_time + [value] + [draw(LABEL_CELLS)] * has_label + ["ä"] * ("note" in names)
        lines.append(separator.join(cells))
        if draw(st.integers(0, 19)) == 0:
            lines.append(
                draw(
                    st.sampled_from(["", " ", "\r", lines[0], "1", "a,b,c,d,e", "\0", '"', "\ufeff1,2", '{"value": 1}'])
                )
            )
    end = draw(st.sampled_from(["\n", "\r\n"]))
    body = end.join(lines).encode()
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=3)) + body[at:]
    return body, draw(st.sampled_from([7, 100, LIMIT]))


def outcome(body, size, check):
    """All that comes of a text: points, refusals, counts, lines, or the source's error."""
    reader, validator, points, refusals = RowReader("text"), Validator(), [], []
    try:
        for block in [reader.feed(body[at : at + size]) for at in range(0, len(body), size)] + [reader.finish()]:
            for part in check(block):
                found, refused = validator.check(part)
                points.append(found.tobytes())
                refusals += refused
    except SourceError as error:
        refusals.append(str(error))
    counts = validator.missing, validator.repaired, validator.reasons, reader.lines
    return b"".join(points), refusals, counts


@settings(max_examples=150, deadline=None)
@given(st.one_of(texts(), st.tuples(st.binary(max_size=200), st.sampled_from([5, LIMIT]))))
def test_any_bytes_give_the_same_points_refusals_and_counts_as_the_line_reader(case):
    body, size = case
    fast = outcome(body, size, lambda block: [block])
    assert outcome(body, size, lambda block: ([item] for item in block)) == fast  # plain rows read again as text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows._Table, "rows", with_nothing_parsed)
        assert outcome(body, size, lambda block: [[*block]]) == fast


def with_nothing_parsed(self, body, start, line, read=rows._Table.rows):
    found = read(self, body, start, line)
    found["item"] = ODD
    return found


@settings(max_examples=50, deadline=None)
@given(texts(), st.data())
def test_a_block_ends_where_its_last_row_does(case, data):
    """From there on the text gives what is still to come."""
    body, size = case
    reader = RowReader("text")
    try:
        blocks = [reader.feed(body[at : at + size]) for at in range(0, len(body), size)] + [reader.finish()]
    except SourceError:
        return
    found = [(block, k) for block in blocks for k in range(len(block))]
    if not found:
        return
    at = data.draw(st.integers(0, len(found) - 1))
    block, k = found[at]
    end = block[: k + 1].end
    if end is None:  # lines before it wait for the columns to be told
        assert isinstance(block[k], Refusal)
        return
    assert end.lines == body[: end.offset].count(b"\n") + (end.offset > len(body))
    assert body[: end.offset].endswith(b"\n") or end.offset > len(body)


#: Layouts whose cells are written in a form of their own, and cells of them, to be damaged.
WRITTEN = {
    "d.m.y, comma and dots": (
        Layout(("t", "v"), 1, 0, None, ";", number=NumberForm(",", "."), time_form="dmy"),
        ["01.03.2024 10:00", "31.12.24 9:05:07", "1.3.2024", "01.03.2024 10:00:00.25", "1/3/2024 1:00 PM"],
        ["1.234,5", "21,5", "-1.234.567", "12", ",5", "5,", "1,5e3"],
    ),
    "m/d/y, unit behind": (
        Layout(("t", "v"), 1, 0, None, ",", number=NumberForm(".", "", "", "%"), time_form="mdy"),
        ["3/1/2024 1:00 PM", "03/01/24 12:00:00 AM", "12/31/2024", "3-1-2024 0:00"],
        ["21.5%", "21.5 %", "-3%", "7", "1e3%"],
    ),
    "compact, currency before": (
        Layout(("t", "v"), 1, 0, None, ";", number=NumberForm(".", ",", "$"), time_form="compact"),
        ["20240301", "202403011005", "20240301100507", "2024030110"],
        ["$1,234.50", "$ 5", "-$5", "1,234", "$1234.5"],
    ),
    "iso in a zone, apostrophes": (
        Layout(("t", "v"), 1, 0, None, ",", number=NumberForm(".", "'"), zone="Europe/Vienna"),
        ["2024-03-01 10:00", "2024-07-01T10:00:00Z", "2024-03-31T02:30:00+02:00", "1714521600", "2024-03-01"],
        ["1'234.5", "21.5", "12'345'678"],
    ),
    "whole numbers": (
        Layout(("t", "v"), 1, 0, None, ";", number=NumberForm(".", "", "", "", "whole")),
        ["2024-03-01 10:00"],
        ["964", "1.003", "7", "n/a", "1,5"],
    ),
    "thirds": (
        Layout(("t", "v"), 1, 0, None, ";", number=NumberForm(".", "", "", "", "thirds")),
        ["2024-03-01 10:00"],
        ["1.003", "964", "0", "7.250"],
    ),
}


@st.composite
def damaged(draw, cells):
    """A cell as it is, or with a sign taken out, put in or changed."""
    cell = draw(st.sampled_from([*cells, "", "n/a"]))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(cell)))
        cell = cell[:at] + draw(st.sampled_from([*"0159.,:-+/ '%$eTZ", ""])) + cell[at + draw(st.integers(0, 1)) :]
    return cell


@pytest.mark.parametrize("name", WRITTEN)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_cells_in_a_form_of_their_own_are_read_as_the_line_rules_read_them_or_left(name, data):
    layout, times, values = WRITTEN[name]
    cells = data.draw(st.lists(st.tuples(damaged(times), damaged(values)), min_size=1, max_size=4))
    lines = [f"{time}{layout.separator}{value}" for time, value in cells]
    found = LineRules(layout).localised(rows._Table(layout).rows(("\n".join(lines) + "\n").encode(), 0, 1))
    rules = LineRules(layout)
    for line, row in zip(lines, found, strict=True):
        if row["item"] == PARSED:
            item = rules.read_line(line, 1)
            if isinstance(item, Refusal):  # the validator refuses it
                assert "beyond the year 5000" in item.reason
                assert abs(row["time"]) > LATEST
                continue
            value, is_repaired = read_value(item)
            assert pack(row["value"], row["is_repaired"]) == pack(value, is_repaired), line
            assert pack(row["time"]) == pack(read_time(item.time)), line


@pytest.mark.parametrize("name", WRITTEN)
def test_the_usual_cells_of_a_form_are_read_without_the_line_rules(name):
    layout, times, values = WRITTEN[name]
    line = f"{times[0]}{layout.separator}{values[0]}\n".encode()
    assert rows._Table(layout).rows(line, 0, 1)["item"].tolist() == [PARSED]


def pack(*numbers):
    """Numbers to the bit; NaN is like NaN."""
    return [struct.pack("d", math.nan if number != number else number) for number in numbers]
