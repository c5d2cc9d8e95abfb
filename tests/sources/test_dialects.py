"""The same readings written in very many ways are read to the same points, or refused as a whole with the reason."""

import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.protocols import POINT_DTYPE, Refusal, SourceError
from streamforest.reading.column_layout import Asked
from streamforest.reading.line_rules import HEADER_AGAIN
from streamforest.reading.payloads import PayloadReader
from streamforest.reading.validation import Validator
from streamforest.sources.file import FileSource
from streamforest.terminal.stop import StopFlag
from tests.dialects import make_case

N = 60
TIMES = [1709251200.0 + 600 * k for k in range(N)]
VALUES = [21.2 + (k % 7) / 10 for k in range(N)]


def read(body, **asked):
    """Times, values and reasons of refusals of a file."""
    handle, path = tempfile.mkstemp()
    os.write(handle, body if isinstance(body, bytes) else body.encode())
    os.close(handle)
    source, stop, validator = FileSource(path, Asked(**asked)), StopFlag(), Validator()
    try:
        checked = [validator.check(block) for block in source.read(stop, 4096)]
    finally:
        source.close()
        stop.close()
        Path(path).unlink()
    points = np.concatenate([np.zeros(0, POINT_DTYPE), *(points for points, _ in checked)])
    return points["time"], points["value"], [refusal.reason for _, some in checked for refusal in some]


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**9))
def test_a_table_in_any_dialect_is_read_to_the_same_readings_or_refused_as_a_whole(seed):
    case = make_case(seed)
    try:
        times, values, reasons = read(case.body, **case.asked)
    except SourceError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert any(option in said for option in ("--time-format", "--decimal", "--column")), case.words
        return
    lost = [reason for reason in reasons if reason != HEADER_AGAIN]
    if 2 * len(lost) > len(lost) + len(values):
        return  # the run fails, with the reasons
    assert not lost, case.words
    np.testing.assert_allclose(times, case.times, rtol=0, atol=2e-3, err_msg=case.words)  # days of spreadsheets
    np.testing.assert_array_equal(values, [np.nan if v is None else v for v in case.values], err_msg=case.words)


def iso(k, form="%Y-%m-%d %H:%M"):
    return np.datetime64(int(TIMES[k]), "s").item().strftime(form)


def rows(form="{} {}", time="%Y-%m-%d %H:%M", value="{:.1f}"):
    return [form.format(iso(k, time), value.format(VALUES[k])) for k in range(N)]


def shifted(k, hours, more="", form="%Y-%m-%d %H:%M"):
    """The time of a row on a clock that is so many hours ahead of UTC."""
    return np.datetime64(int(TIMES[k] + 3600 * hours), "s").item().strftime(form + more)


#: Digits and decimal sign.
PERSIAN = {**{48 + digit: 0x6F0 + digit for digit in range(10)}, ord("."): 0x66B}


def german(value):
    return f"{value:.1f}".replace(".", ",")


@pytest.mark.parametrize(
    ("lines", "asked"),
    [
        (["sep=;", "Time;Value", *rows("{};{}")], {}),
        (["# station 12, height 30 m", "# all times UTC", "time,value", *rows("{},{}")], {}),
        (["Export of 2024", "", "Station,12", "Height,30", "time,value", *rows("{},{}")], {"column": "value"}),
        (["Station,12", "Height,30", "Serial,7", "time,value", *rows("{},{}")], {}),
        (["time,temp", "s,\u00b0C", *rows("{},{}")], {}),
        (["time,temp", "UTC,degC", *rows("{},{}")], {}),
        (["Account,12345", "Period,March", "", "Date,Kwh", *rows("{},{}")], {}),
        (["Price,Close", "Ticker,AAPL", "Date,", *rows("{},{}")], {}),
        (["# time temp", *rows("{} {}", "%Y-%m-%dT%H:%M")], {}),
        (["Zeit;Wert", *(f"{iso(k, '%d.%m.%Y %H:%M')};{german(VALUES[k])}" for k in range(N))], {}),
        (["time,value", *rows("{},{}", "%Y%m%d%H%M")], {}),
        (["time,value", *rows("{},{}", "%Y%m%dT%H%M%SZ")], {}),
        (["<TICKER>,<DATE>,<TIME>,<CLOSE>", *rows("EURUSD,{},{}", "%Y%m%d,%H%M%S")], {"column": "<CLOSE>"}),
        (["id,value,when", *(f"{k},{VALUES[k]:.1f},{iso(k)}" for k in range(N))], {}),
        (["time,cpu", *rows("{},{}%")], {}),
        (["time,value,note", *(f"{row},a" for row in rows("{},{}"))], {}),
        (["time,value", *reversed(rows("{},{}"))], {}),
        (["[" + ", ".join(rows('{{"time": "{}", "value": {}}}')) + "]"], {}),
        (['{"ok": true, "data": [', ", ".join(rows('["{}", {}]')), "]}"], {}),
        (rows('{{"t": {{"at": "{}"}}, "E": {{"Total": 5, "P": {}}}}}'), {"column": "E.P", "time_column": "t.at"}),
        ([f"weather,city=a temp={VALUES[k]:.1f},n=5i {int(TIMES[k])}000000000" for k in range(N)], {"column": "temp"}),
        ([f"srv.load {VALUES[k]:.1f} {int(TIMES[k])}" for k in range(N)], {}),
        ([f'load{{host="a"}} {VALUES[k]:.1f} {int(TIMES[k])}000' for k in range(N)], {}),
        (rows('level=info time="{}" dur={}'), {"column": "dur"}),
        # as InfluxDB, PRTG, rrdtool, its shell and sadf write
        (
            [
                "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,double,string",
                ",result,table,_start,_time,_value,_field",
                *rows(",,0,2024-02-29T00:00:00Z,{}Z,{},temp", "%Y-%m-%dT%H:%M:00"),
            ],
            {},
        ),
        (["load", "", *(f"{TIMES[k]:.0f}: {VALUES[k]:.1f}e+00" for k in range(N))], {}),
        (
            [
                "name: weather",
                "time temp",
                *(f"{TIMES[k]:.0f}000000000 {VALUES[k]:.1f}" for k in range(N)),
            ],
            {},
        ),
        (["# host;timestamp;%user;%idle", *rows("a;{} UTC;{};77.0")], {"column": "%user"}),
        # dates as the header says, and in Hungarian, Chinese and short American
        (["dd/MM/yyyy HH:mm;kW", *(f"{iso(k, '%d/%m/%Y %H:%M')};{german(VALUES[k])}" for k in range(N))], {}),
        (["Id\u0151;\u00c9rt\u00e9k", *(f"{iso(k, '%Y.%m.%d. %H:%M')};{german(VALUES[k])}" for k in range(N))], {}),
        (["\u65f6\u95f4,a", *rows("{},{}", "%Y\u5e74%m\u6708%d\u65e5 %H:%M")], {}),
        (["\u6642\u9593,a", *rows("{},{}", "%Y/%-m/%-d(\u91d1) %H\u6642%M\u5206")], {}),
        (["\u0632\u0645\u0627\u0646;a", *(row.translate(PERSIAN) for row in rows("{};{}"))], {}),
        # two lines of names, and a name for a cell that no row has
        (["\t\tTemp", "Date\tOut", *rows("{}\t{}")], {"column": "Out"}),
        (["made by hand\t2024", "Time\tTemp\tComment", *rows("{}\t{}")], {}),
        # names that are numbers, and what pandas and the USGS write below and for names
        (["Time;40001;40002", *rows("{};{};5")], {"column": "40001"}),
        ([",0", *rows("{},{}")], {}),
        (["0,1,2", *rows("{},{},5")], {"column": "1"}),
        # offsets that are none of the times, and a town for all of them
        (["time,offset,v", *(f"{iso(k)},+{k % 7},{VALUES[k]:.1f}" for k in range(N))], {"column": "v"}),
        (["time,timezone,v", *(f"{shifted(k, 1)},Europe/Vienna,{VALUES[k]:.1f}" for k in range(N))], {}),
        (["when\tflow\tcode", "20d\t14n\t10s", *(f"{row}\tA" for row in rows("{}\t{}"))], {"column": "flow"}),
        # zones in a column of their own, and in a line below the names
        (["local,utc_offset,v", *(f"{shifted(k, 5.5)},+05:30,{VALUES[k]:.1f}" for k in range(N))], {}),
        (["time,tz,v", *(f"{shifted(k, -8)},PST,{VALUES[k]:.1f}" for k in range(N))], {}),
        ([f"{shifted(k, 2, ':%S')} +0200 {VALUES[k]:.1f} 5" for k in range(N)], {"column": "4"}),
        (["time,v", "(Europe/Vienna),V", *(f"{shifted(k, 1)},{VALUES[k]:.1f}" for k in range(N))], {}),
        # summer and winter behind the time, as Dutch smart meters have it
        (["tijdstip,v", *(f"{shifted(k, 1, form='%y%m%d%H%M00')}W,{VALUES[k]:.1f}" for k in range(N))], {}),
        # a clock in digits beside a date with slashes, and a time of Kibana
        (["Data;Hora UTC;v", *rows("{} UTC;{}", "%Y/%m/%d;%H%M")], {}),
        (["@timestamp per 10 minutes,v", *rows('"{}",{}', "%b %d, %Y @ %H:%M:00.000")], {}),
        # a date and a clock under one name
        (
            ["procs ---cpu---", "r id UTC", *(f"1 {VALUES[k]:.1f} {iso(k, '%Y-%m-%d %H:%M:%S')}" for k in range(N))],
            {"column": "id"},
        ),
    ],
)
def test_a_table_as_people_have_it_gives_all_its_readings(lines, asked):
    for end in ("\n", "\r\n"):
        times, values, reasons = read(end.join(lines) + end, **asked)
        assert reasons == []
        assert times.tolist() == TIMES
        np.testing.assert_allclose(values, VALUES)


def test_a_quoted_cell_over_two_lines_is_refused_and_told_for_what_it_is():
    lines = [f'{iso(k)},"{"a" if k else "a" + chr(10) + "b"}",{VALUES[k]:.1f}' for k in range(N)]
    _, values, reasons = read("\n".join(["time,note,value", *lines, ""]))
    assert len(values) == N - 1
    assert "goes on in the next line" in reasons[0]


def test_lakhs_and_amounts_without_cents_are_read_whole():
    amounts = [1234567.0 + 1000 * k for k in range(N)]
    lakhs = [
        f'{iso(k)},"{amount // 100000:.0f},{amount % 100000 // 1000:02.0f},{amount % 1000:03.0f}"'
        for k, amount in enumerate(amounts)
    ]
    francs = [f"{iso(k)};{amount:,.0f}.-".replace(",", "\u2019") for k, amount in enumerate(amounts)]
    for lines in (["time,balance", *lakhs], ["time;balance", *francs]):
        times, values, reasons = read("\n".join([*lines, ""]))
        assert (times.tolist(), values.tolist(), reasons) == (TIMES, amounts, [])


def signed(form, behind):
    """Rows whose values go below zero, each written without its sign and with what ``behind`` says of it."""
    return ["date;amount", *(f"{iso(k)};{form.format(abs(BOOKED[k]), behind[BOOKED[k] < 0])}" for k in range(N))]


BOOKED = [round((-1) ** k * (12.5 + 37.25 * k), 2) for k in range(N)]


@pytest.mark.parametrize(
    "lines",
    [
        signed("{:.2f}{}", ("", "-")),
        signed("{:.2f} {}", ("+", "-")),
        signed("{:.2f} {}", ("H", "S")),
        signed("{:.2f} {}", ("Cr", "Dr")),
        ["date;amount;S/H", *signed("{:.2f};{}", ("H", "S"))[1:]],
        ["date;amount;kind", *signed("{:.2f};{}", ("credit", "debit"))[1:]],
    ],
    ids=["minus behind", "signs behind", "S and H", "Cr and Dr", "a column of S and H", "a column of words"],
)
def test_amounts_of_which_a_word_or_a_sign_behind_says_that_they_are_taken_away_are_negative(lines):
    times, values, reasons = read("\n".join([*lines, ""]))
    assert (times.tolist(), values.tolist(), reasons) == (TIMES, BOOKED, [])


def test_digits_of_a_year_month_day_and_hour_are_no_unix_time_of_2034():
    lines = [f"{np.datetime64(1709251200 + 3600 * k, 's').item():%Y%m%d%H};{k % 7}" for k in range(N)]
    assert read("\n".join(["when;v", *lines, ""]))[0].tolist() == [1709251200.0 + 3600 * k for k in range(N)]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (",Sum of all,1270", "sums up"),
        (",Mittelwert,21.5", "sums up"),
        (",,21.5", "sums up"),  # their mean
        (",,1289.4", "sums up"),
        (",,21.7", ""),
        (",a total loss,21.5", ""),
        ("2024-03-02T00:00,,1289.4", ""),
    ],
)
def test_a_row_without_a_time_that_sums_up_the_others_is_none(row, words):
    _, values, reasons = read("\n".join(["time,note,v", *rows("{},,{}"), row, ""]))
    assert [words in reason for reason in reasons] == [True] * bool(words)
    assert len(values) == N + (not words)


def test_where_blanks_stand_between_cells_a_row_that_lacks_one_is_refused():
    lines = [f"{iso(k, '%Y-%m-%dT%H:%M')} {'' if k % 10 == 9 else 5} {VALUES[k]:.1f} 7" for k in range(N)]
    _, values, reasons = read("\n".join(["time a b c", *lines, ""]), column="b")
    assert values.tolist() == [round(value, 1) for k, value in enumerate(VALUES) if k % 10 != 9]
    assert all("too few cells: 3 of 4" in reason for reason in reasons)


def test_numbers_by_name_among_words_are_read_and_a_time_among_them_is_how_long_something_took():
    lines = ["PING a (::1)", *(f"64 bytes from a: icmp_seq={k} ttl=57 time={VALUES[k]:.1f} ms" for k in range(N))]
    with pytest.raises(SourceError, match="choose one with --column NAME of: icmp_seq, ttl, time"):
        read("\n".join([*lines, ""]))
    values = read("\n".join([*lines, ""]), column="time")[1]
    np.testing.assert_allclose(values, VALUES)


def test_a_name_with_clocks_alone_is_no_time_and_a_header_may_begin_with_one():
    lines = [f"{iso(k, '%H:%M:%S')} all {VALUES[k]:.1f} 70.0" for k in range(N)]
    for header in ("00:00:01 CPU %user %idle", "time CPU %user %idle"):
        times, values, reasons = read("\n".join([header, *lines, "Average: all 21.5 70.0", ""]), column="%user")
        np.testing.assert_allclose(values, VALUES)
        assert np.isnan(times).all()
        assert ["sums up" in reason for reason in reasons] == [True]


def test_answers_of_prometheus_and_cloudwatch_are_read_in_the_order_of_time():
    def series(name, more=0.0):
        samples = [[TIMES[k], f"{VALUES[k] + more:.1f}"] for k in range(N)]
        return {"metric": {"__name__": "load", "host": name}, "values": samples}

    def answer(*found):
        return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [*found]}})

    for text, asked in (
        (answer(series("a")), {}),
        (answer(series("b", 5.0), series("a")), {"column": 'load{host="a"}'}),
        (
            json.dumps(
                {
                    "Label": "load",
                    "Datapoints": [{"Timestamp": f"{iso(k)}:00Z", "Average": VALUES[k]} for k in SHUFFLED],
                }
            ),
            {},
        ),
        (
            json.dumps({"Results": [{"Timestamps": [iso(k) for k in range(N)][::-1], "Values": VALUES[::-1]}]}),
            {},
        ),
    ):
        times, values, reasons = read(text, **asked)
        assert (times.tolist(), reasons) == (TIMES, [])
        np.testing.assert_allclose(values, VALUES)
    with pytest.raises(SourceError, match="several series: load"):
        read(answer(series("a"), series("b")))


SHUFFLED = np.random.default_rng(1).permutation(N).tolist()


def test_a_series_that_comes_later_is_refused_and_not_mixed_with_the_first():
    first, later = ([f'load{{host="{name}"}} {VALUES[k]:.1f}' for k in range(N)] for name in "ab")
    source = PayloadReader("a broker")
    items = [item for line in [*first, *later] for item in source.read(line.encode(), "a message", 0.0)]
    assert [isinstance(item, Refusal) for item in items] == [False] * N + [True] * N
    assert "another series" in items[-1].reason


def test_of_lines_of_many_metrics_one_is_chosen_and_others_are_passed_over():
    lines = [f"{name} {VALUES[k] + at:.1f} {int(TIMES[k])}" for k in range(N) for at, name in enumerate(("a.b", "a.c"))]
    with pytest.raises(SourceError, match=r"there are several series: a\.b, a\.c; --column 'a\.b' reads one"):
        read("\n".join(lines))
    times, values, reasons = read("\n".join(lines), column="a.c")
    assert (times.tolist(), reasons) == (TIMES, [])
    np.testing.assert_allclose(values, np.array(VALUES) + 1)


def test_a_first_row_is_no_line_of_units(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["Date,Close", *(f"{iso(k)},{200 + k}.00" for k in range(N))]), encoding="utf-8")
    source = FileSource(path)
    source.reader.learn(path.read_bytes() + b"\n")
    assert "value 'Close';" in source.reader.understood()
    source.close()


def test_latin_1_is_read_and_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("\n".join(["Zeit;Temp \u00b0C", *rows("{};{}")]).encode("latin-1"))
    source, stop = FileSource(path), StopFlag()
    assert sum(map(len, source.read(stop, 100))) == N
    assert "cp1252" in source.reader.understood()
    source.close()
    stop.close()


def at(form, step=600):
    """Each row's time in a pattern."""
    return [np.datetime64(int(TIMES[0]) + step * k, "s").item().strftime(form) for k in range(N)]


def hours(form):
    """The days and hours 1 to 24 of readings that end on the hour; in a pattern with a place for the hour."""
    return [np.datetime64(int(TIMES[0]) + 3600 * k, "s").item().strftime(form).format(k % 24 + 1) for k in range(N)]


MONTHS = [np.datetime64("2019-01") + k for k in range(N)]
QUARTERS = [np.datetime64("2010-01") + 3 * k for k in range(N)]


@pytest.mark.parametrize(
    ("head", "whens", "step"),
    [
        ("Month,v", [f"{month.item():%b-%y}" for month in MONTHS], "months"),
        ("Month,v", [f"{month.item():%y-%b}" for month in MONTHS], "months"),
        ("Month,v", [f"{month.item():%m/%Y}" for month in MONTHS], "months"),
        ("Month,v", [f"{month.item():%Y/%m}" for month in MONTHS], "months"),
        ("Monat,v", [f"{month.item():%m.%Y}" for month in MONTHS], "months"),
        ("Month,v", [f"{month.item():%b} '{month.item():%y}" for month in MONTHS], "months"),
        ("Year,Month,v", [f"{month.item():%Y,%m}" for month in MONTHS], "months"),
        ("year,month,v", [f"{month.item():%Y,%B}" for month in MONTHS], "months"),
        ("Series,Year,Period,v", [f"S1,{month.item():%Y,M%m}" for month in MONTHS], "months"),
        ("Quarter,v", [f"Q{quarter.item().month // 3 + 1} {quarter.item():%Y}" for quarter in QUARTERS], "quarters"),
        (
            "Quartal,v",
            [f"{quarter.item().month // 3 + 1}. Quartal {quarter.item():%Y}" for quarter in QUARTERS],
            "quarters",
        ),
        ("Year,Month,Day,Hour,Minute,v", at("%Y,%m,%d,%H,%M"), 600),
        ("#YY,MM,DD,hh,mm,v", at("%Y,%m,%d,%H,%M"), 600),
        ("YEAR,DOY,HR,v", at("%Y,%j,%H", 3600), 3600),
        ("time,v", at("%Y%m%d:%H%M"), 600),
        ("Date,Time,v", at("%Y-%m-%d,%H.%M.%S"), 600),
        ("OPR_DT,HE,v", hours("%Y-%m-%d,{}"), "hours"),
        ("STN,YYYYMMDD,HH,v", hours("260,%Y%m%d,{}"), "hours"),
        ("day,place in it,v", hours("%Y-%m-%d,{}"), "hours"),
        ("(PDH-CSV 4.0),v", at("%m/%d/%Y %H:%M:%S.000", 1), 1),
        ("time,v", at("%Y-%m-%d_%H-%M-%S"), 600),
        ("time,v", at("%Y-%m-%d-%H.%M.%S.000000"), 600),
        ("time,v", at("%Y-%m-%dT%H:%M:%S+00:00[Europe/London]"), 600),
        ("day,v", [f"2024年3月1日 {k // 6}时{k % 6 * 10}分" for k in range(N)], 600),
        ("MJD,v", [f"{t / 86400 + 40587:.9f}" for t in TIMES], 600),
        ("t,v", [f"{t / 86400 + 2440587.5:.9f}" for t in TIMES], 600),
        ("Year,Day,v", [f"2024,{61 + k}" for k in range(N)], 86400),
    ],
)
def test_times_in_parts_and_periods_are_read(head, whens, step):
    times, values, reasons = read(
        "\n".join([head, *(f"{when},{value:.1f}" for when, value in zip(whens, VALUES, strict=True)), ""]), column="v"
    )
    assert reasons == []
    np.testing.assert_allclose(values, VALUES)
    expected = {
        "months": [month.astype("datetime64[s]").astype(float) for month in MONTHS],
        "quarters": [quarter.astype("datetime64[s]").astype(float) for quarter in QUARTERS],
        "hours": [TIMES[0] + 3600 * (k + 1) for k in range(N)],
    }
    wanted = expected[step] if step in expected else [TIMES[0] + step * k for k in range(N)]
    np.testing.assert_allclose(times, wanted, rtol=0, atol=1e-3)


def test_without_a_header_year_month_day_and_hour_in_the_first_columns_are_the_time():
    lines = [f"{when};{value:.1f};7.0" for when, value in zip(hours("%Y;%m;%d;{}"), VALUES, strict=True)]
    times, _, _ = read("\n".join([*lines, "*", ""]), column="5")
    assert times.tolist() == [TIMES[0] + 3600 * (k + 1) for k in range(N)]


@pytest.mark.parametrize(
    ("head", "lines", "words"),
    [
        ("day,v", [f"{k + 1:02}-Jan,{k % 7}" for k in range(28)], "may be a day without its year"),
        ("date,v", [f"{1993 + k / 36:.4f},{k % 7}" for k in range(1, N)], ""),
        (
            "time,v",
            [f"{1993 + k / 36:.4f},{k % 7}" for k in range(1, N)],
            "--time-format years or --time-format elapsed",
        ),
        ("time,v", [f"05-03 10:00:{k:02},{k % 7}" for k in range(N)], "no time that can be read: say --time-format"),
        (
            "x,v",
            [f"{2000 + k},5" for k in range(2)] + [f"{2000 + k} Q1,5" for k in range(9)],
            "keep the rows of one kind",
        ),
        ("DATE,v", [f'2024-03-0{k + 1},"+{100 + k:04},1"' for k in range(9)], "a value and its flag"),
        ("time,room,v", [f"2024-03-0{k // 2 + 1},{'ab'[k % 2]},{k % 7}" for k in range(18)], "--key-column 'room'"),
        (
            "entity_id,v,time",
            [f"{'ab'[k % 2]},{k % 7},2024-03-01T00:{k:02}" for k in range(18)],
            "--key-column 'entity_id'",
        ),
        (
            "date,period,v,note",
            [f"2024-03-0{k // 30 + 1},{k % 30 + 1},{k % 7},a" for k in range(N)],
            "counts the parts of a day",
        ),
        (
            "time,unit,v",
            [f"2024-03-01T00:{k:02},{'kW' if k % 2 else 'W'},{k % 7}" for k in range(18)],
            "--key-column 'unit'",
        ),
        ("topic,v", [f"home/{'ab'[k % 2]},{k % 7}" for k in range(18)], "--column and --time-column none judge"),
        ("date,depth,v,a", [f"2024-03-0{k // 48 + 1},{k % 48 + 1},{k % 7},a" for k in range(192)], "call it period"),
        ("date,depth,v,a", [f"2024-03-0{k // 10 + 1},{k % 10 + 1},{k % 7},a" for k in range(90)], "call it period"),
        (
            "time,id,value",
            [f"2024-03-01T00:{k // 3:02},{k % 3 + 1},{k % 7}" for k in range(54)],
            "several series, by 'id'",
        ),
        ("a,time,v", [f"{k},2024-03-01T00:{k:02},--" for k in range(18)], "no cell of the value column is a number"),
    ],
)
def test_what_would_be_misread_is_refused_with_what_to_say(head, lines, words):
    if not words:
        assert read("\n".join([head, *lines, ""]))[0][0] > 0
        return
    with pytest.raises(SourceError, match=words):
        read("\n".join([head, *lines, ""]), **({"column": "v"} if "v" in head.split(",")[1:-1] else {}))


def of_series(name, pairs):
    return json.dumps([{name: "a", **pairs}])


@pytest.mark.parametrize(
    ("body", "column"),
    [
        (of_series("target", {"datapoints": [[v, int(t)] for t, v in zip(TIMES, VALUES, strict=True)]}), None),
        (of_series("metric", {"tags": {}, "dps": {f"{t:.0f}": v for t, v in zip(TIMES, VALUES, strict=True)}}), None),
        (json.dumps({"Meta": {"n": 1}, "Series": {iso(k): {"close": VALUES[k]} for k in range(N)}}), "close"),
        (json.dumps([[{"entity_id": "a", "state": v, "last_changed": iso(k)} for k, v in enumerate(VALUES)]]), "state"),
        ("\n".join(f"put a.b {t:.0f} {v:.1f} host=x" for t, v in zip(TIMES, VALUES, strict=True)), None),
        ("\n".join(json.dumps({"t": iso(k), "v": v}) + "," for k, v in enumerate(VALUES)), "v"),
        ("\n".join(f"<34>1 {iso(k)}:00,000 app x={v:.1f} y=2" for k, v in enumerate(VALUES)), "x"),
        (
            "\n".join(f"[{t:.3f}] 64 bytes: icmp_seq=1 time={v:.1f} ms" for t, v in zip(TIMES, VALUES, strict=True)),
            "time",
        ),
        (
            "\n".join(
                f'::1 - - [{when}] "GET / HTTP/1.1" 200 5 "-" "x" {v:.1f}'
                for when, v in zip(at("%d/%b/%Y:%H:%M:%S +0000"), VALUES, strict=True)
            ),
            "request_time",
        ),
        ("\n".join(["  a  b", "", *(f"{t:.0f}: {v:e} 1" for t, v in zip(TIMES, VALUES, strict=True))]), "a"),
    ],
    ids=[
        "Graphite",
        "OpenTSDB",
        "rows by time",
        "arrays of rows",
        "put",
        "objects with commas",
        "syslog",
        "ping -D",
        "access log",
        "rrdtool",
    ],
)
def test_what_programs_write_is_read_with_its_times(body, column):
    times, values, reasons = read(body + "\n", column=column)
    assert (times.tolist(), reasons) == (TIMES, [])
    np.testing.assert_allclose(values, VALUES)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["(20.5)", "21", "21.5"], [-20.5, 21, 21.5]),
        (["2.05D+01", "2.1D+01", "2.15d1"], [20.5, 21, 21.5]),
        (["20.5*", "21.0", "21.5"], [20.5, 21, 21.5]),
        (['="20.5"', '="21"', '="21.5"'], [20.5, 21, 21.5]),
    ],
    ids=["brackets", "powers of Fortran", "marks of estimates", "texts of a spreadsheet"],
)
def test_numbers_in_rare_forms_are_read_whole(cells, values):
    _, found, reasons = read("\n".join(["time,v", *(f"{iso(k)},{cells[k % 3]}" for k in range(N)), ""]))
    assert reasons == []
    np.testing.assert_allclose(found, values * (N // 3))


def test_units_of_several_sizes_in_a_column_are_numbers_of_one():
    cells = [f"{v / 1000:.4f} kB/s" if k % 3 else f"{v:.1f} B/s" for k, v in enumerate(VALUES)]
    np.testing.assert_allclose(
        read("\n".join(["time,v", *(f"{iso(k)},{cell}" for k, cell in enumerate(cells)), ""]))[1], VALUES
    )


def test_rows_of_empty_cells_are_blank_and_one_with_neither_time_nor_value_is_refused():
    _, values, reasons = read("\n".join(["time,note,v", *rows("{},,{}"), ",,", ",a name,", ""]))
    assert len(values) == N
    assert ["neither a time nor a value" in reason for reason in reasons] == [True]


@pytest.mark.parametrize("coding", ["cp932", "gbk", "cp949", "cp1251"])
def test_a_header_in_an_old_coding_is_read_and_told(coding, tmp_path):
    names = {"cp932": "日時,温度", "gbk": "时间,温度", "cp949": "일시,기온", "cp1251": "Время,Температура"}
    path = tmp_path / "a.csv"
    path.write_bytes("\n".join([names[coding] + ",x", *rows("{},{},5"), ""]).encode(coding))
    source, stop = FileSource(path, Asked(column=names[coding].split(",")[1])), StopFlag()
    blocks = [Validator().check(block)[0] for block in source.read(stop, 4096)]
    source.close()
    stop.close()
    assert np.concatenate(blocks)["time"].tolist() == TIMES
    assert coding in source.reader.understood()


@pytest.mark.parametrize(
    ("head", "words"), [(b"PK\x03\x04", "workbook"), (b"PAR1", "Parquet"), (b"SQLite format 3\0", "SQLite")]
)
def test_a_file_that_is_no_text_is_named_for_what_it_is(head, words):
    with pytest.raises(SourceError, match=words):
        read(head + b"\0" * 100)


COLLECTD = (
    '[{{"values":[{value}],"dstypes":["gauge"],"dsnames":["value"],"time":{time:.3f},"interval":600.0,'
    '"host":"a","plugin":"load","plugin_instance":"","type":"load","type_instance":""}}]'
)
TELEGRAF = (
    '{{"fields":{{"usage_idle":{value},"usage_user":5}},"name":"cpu","tags":{{"host":"a"}},"timestamp":{time:.0f}}}'
)


@pytest.mark.parametrize(
    ("form", "asked"),
    [(COLLECTD, {}), (TELEGRAF, {"column": "usage_idle"}), (TELEGRAF, {"column": "fields.usage_idle"})],
    ids=["collectd", "telegraf", "telegraf in full"],
)
def test_what_collectd_and_telegraf_write_is_read_from_a_file_and_from_messages(form, asked):
    lines = [form.format(value=f"{VALUES[k]:.1f}", time=TIMES[k]) for k in range(N)]
    times, values, reasons = read("\n".join(lines) + "\n", **asked)
    assert (times.tolist(), reasons) == (TIMES, [])
    np.testing.assert_allclose(values, VALUES)
    payloads, validator = PayloadReader("a broker", Asked(**asked)), Validator()
    points = [validator.check(payloads.read(line.encode(), "a message", 0.0))[0] for line in lines]
    assert np.concatenate(points)["time"].tolist() == TIMES
    np.testing.assert_allclose(np.concatenate(points)["value"], VALUES)


def test_a_batch_of_telegraf_is_read_metric_by_metric():
    metrics = [TELEGRAF.format(value=f"{VALUES[k]:.1f}", time=TIMES[k]) for k in range(N)]
    batches = [f'{{"metrics": [{", ".join(metrics[k : k + 10])}]}}' for k in range(0, N, 10)]
    for text in ("\n".join(batches) + "\n", f'{{"metrics": [{", ".join(metrics)}]}}'):
        times, values, reasons = read(text, column="usage_idle")
        assert (times.tolist(), reasons) == (TIMES, [])
        np.testing.assert_allclose(values, VALUES)


@pytest.mark.parametrize(
    ("head", "form", "foot"),
    [
        (["        time       | value ", "-------------------+-------"], " {} |  {}", ["(60 rows)"]),
        (["+---+---+", "| time | value |", "+---+---+"], "| {} |  {} |", ["+---+---+"]),
        (["| time | value |", "|:---|---:|"], "| {} | {} |", []),
        (["name: weather", "time\tvalue", "----\t-----"], "{}\t{}", []),
    ],
    ids=["psql", "mysql", "Markdown", "InfluxDB"],
)
def test_a_table_that_a_database_or_markdown_draws_is_read_without_its_rules(head, form, foot):
    times, values, reasons = read("\n".join([*head, *rows(form), *foot, ""]))
    assert times.tolist() == TIMES
    np.testing.assert_allclose(values, VALUES)
    assert len(reasons) <= 3


@pytest.mark.parametrize(
    ("head", "rows_of", "step", "first"),
    [
        ("SettlementDate,SettlementPeriod,v", lambda day, k: f"2024-03-{day:02},{k + 1}", 1800, 0),
        ("Datum,Viertelstunde,v", lambda day, k: f"{day:02}.03.2024,{k + 1}", 900, 0),
        ("day,slot,v", lambda day, k: f"2024-03-{day:02},{k}", 1800, 0),
        ("date,hour,v", lambda day, k: f"2024-03-{day:02},{k + 1}", 3600, 3600),
    ],
    ids=["half hours", "quarters", "from 0", "hours that end"],
)
def test_parts_of_a_day_are_counted_beside_its_date(head, rows_of, step, first):
    n = 86_400 // step
    lines = [f"{rows_of(day, k)},{k % 7}" for day in range(1, 5) for k in range(n)]
    times, values, reasons = read("\n".join([head, *lines, ""]))
    assert (values.tolist(), reasons) == ([k % 7 for _ in range(4) for k in range(n)], [])
    assert times.tolist() == [TIMES[0] + first + step * k for k in range(4 * n)]


@pytest.mark.parametrize("words", [("Af", "Bij"), ("Debe", "Haber"), ("withdrawal", "deposit")])
def test_words_of_other_countries_say_what_is_taken_away(words):
    lines = [f"{iso(k)};{words[k % 2 == 0]};{VALUES[k]:.1f}" for k in range(N)]
    signed_values = [value if k % 2 == 0 else -value for k, value in enumerate(VALUES)]
    np.testing.assert_allclose(read("\n".join(["date;which;v", *lines, ""]))[1], signed_values)


def test_durations_are_judged_if_their_name_or_the_user_says_that_they_are_none_of_the_day():
    lines = [f"{iso(k)},0:59:{k:02},a" for k in range(N)]
    assert read("\n".join(["start,duration,name", *lines, ""]))[1].tolist() == [3540.0 + k for k in range(N)]
    with pytest.raises(SourceError, match="no column holds numbers; choose one with --column"):
        read("\n".join(["start,until,name", *lines, ""]))
    assert read("\n".join(["start,until,name", *lines, ""]), column="until")[1].tolist() == [
        3540.0 + k for k in range(N)
    ]


@pytest.mark.parametrize("head", [b'\xef\xbb\xbf<?xml version="1.0"?>\n<a>5</a>\n', b"<!DOCTYPE html>\n<td>5</td>\n"])
def test_a_document_with_tags_is_refused_for_what_it_is(head):
    with pytest.raises(SourceError, match=r"XML|HTML"):
        read(head)


def test_what_is_odd_about_the_readings_is_told_in_the_line(tmp_path):
    def said(head, lines):
        path = tmp_path / "a.csv"
        path.write_text("\n".join([head, *lines, ""]))
        source = FileSource(path, Asked(column="v"))
        source.reader.learn(path.read_bytes(), b"")
        source.close()
        return source.reader.understood()

    assert "-999.9 (6 of 60 rows)" in said(
        "t,v", [f"{iso(k)},{-999.9 if k % 10 == 9 else VALUES[k]}" for k in range(N)]
    )
    assert "most rows have the time of the row before" in said("time,v", [f"1.70925E+12,{value}" for value in VALUES])
    assert "the first of that name" in said("t,v,v", [f"{iso(k)},{VALUES[k]},5" for k in range(N)])
    assert "odd" not in said("t,v", rows("{},{}"))
