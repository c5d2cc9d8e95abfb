import http.server
import json
import signal
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from streamforest.connections import reconnecting
from streamforest.protocols import SourceError
from streamforest.sources import SourceOptions, open_source
from streamforest.terminal.stop import StopFlag
from tests.servers import Program, Reader, wait_until

yfinance = pytest.importorskip("yfinance", reason="needs streamforest/requirements/price.txt")

#: Makes the package ask the address in the environment in place of Yahoo's, in a program of its own too.
REDIRECT = """
import os, sys
import yfinance, yfinance.scrapers.quote
for name, module in list(sys.modules.items()):
    if name.startswith("yfinance"):
        for word, value in list(vars(module).items()):
            if isinstance(value, str) and value.startswith("https://query"):
                setattr(module, word, os.environ["YAHOO"] + value.partition(".com")[2])
"""
OPEN = int(time.time()) // 60 * 60 - 3600  # the market of these tests opened an hour ago


def chart(moments, closes, opened=OPEN, closed=OPEN + 7200):
    """An answer of the chart API, in the shape of a recorded one."""
    hours = {
        name: {"timezone": "EST", "start": opened, "end": closed, "gmtoffset": -18000}
        for name in ("pre", "regular", "post")
    }
    meta = {
        **{"currency": "USD", "symbol": "TEST", "exchangeName": "NMS", "fullExchangeName": "NasdaqGS"},
        **{"instrumentType": "EQUITY", "firstTradeDate": 345479400, "regularMarketTime": moments[-1]},
        **{"hasPrePostMarketData": True, "gmtoffset": -18000, "timezone": "EST"},
        **{"exchangeTimezoneName": "America/New_York", "regularMarketPrice": closes[-1], "priceHint": 2},
        **{"previousClose": 100.0, "chartPreviousClose": 100.0, "scale": 3, "dataGranularity": "1m", "range": "1d"},
        "currentTradingPeriod": hours,
        "tradingPeriods": [[hours["regular"]]],
        "validRanges": ["1d", "5d", "1mo", "max"],
    }
    columns = dict.fromkeys(("open", "high", "low", "close"), closes) | {"volume": [100] * len(closes)}
    result = {"meta": meta, "timestamp": moments, "indicators": {"quote": [columns]}}
    return 200, {"chart": {"result": [result], "error": None}}


def error(status, description):
    return status, {"chart": {"result": None, "error": {"code": "x", "description": description}}}


@pytest.fixture
def yahoo(monkeypatch):
    """Answers served on the loopback: set ``yahoo.answer``; ``yahoo.asked`` are the ranges asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked = parse_qs(urlsplit(self.path).query)
            is_prices = asked.get("interval") == ["1m"]
            if is_prices:
                server.asked.append(asked["range"][0])
            status, body = server.answer
            if not is_prices and "/chart/" not in self.path:
                status = 404
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.place = [], f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("YAHOO", server.place)
    keep = {name: dict(vars(module)) for name, module in sys.modules.items() if name.startswith("yfinance")}
    exec(REDIRECT)
    yield server
    for name, words in keep.items():
        vars(sys.modules[name]).update({word: value for word, value in words.items() if isinstance(value, str)})
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The package's own cache in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yfinance.set_tz_cache_location(str(tmp_path / "cache"))
    yield
    yfinance.cache._TzDBManager.close_db()
    yfinance.data.YfData.cache_get.cache_clear()


@pytest.fixture
def stop():
    flag = StopFlag()
    yield flag
    flag.request()
    time.sleep(0.3)
    flag.close()


@pytest.fixture
def said():
    return []


@pytest.fixture
def watch(stop, said, monkeypatch):
    from streamforest.sources import price  # noqa: PLC0415

    monkeypatch.setattr(price, "LEAST_INTERVAL", 0.2)

    def watch(ticker="TEST", interval=0.2):
        return Reader(open_source(f"price:{ticker}", SourceOptions(said.append, interval=interval)), stop)

    return watch


def test_history_comes_first_and_then_new_minutes_and_none_twice(yahoo, watch, capfd):
    now = int(time.time())
    moments = [OPEN + 60 * n for n in range(58)]
    closes = [100 + n / 10 for n in range(58)]
    yahoo.answer = chart([*moments, now], [*closes, 7.0])  # the last one is of this moment, as Yahoo sends it
    reader = watch()
    wait_until(lambda: len(yahoo.asked) > 3, 60)
    over = [moment for moment in moments if moment <= now - 60]
    assert [item.time for item in reader.items] == over
    assert [item.value for item in reader.items] == closes[: len(over)]
    assert yahoo.asked[:2] == ["5d", "1d"]
    before = len(reader.items)
    yahoo.answer = chart([*moments[:-1], OPEN + 60 * 58, OPEN + 60 * 59], [*closes[:-1], 106.5, 106.6])
    wait_until(lambda: len(reader.items) > before)
    times = [item.time for item in reader.items]
    assert times == sorted(set(times))
    assert capfd.readouterr() == ("", "")
    assert reader.fault is None


def test_a_ticker_that_is_unknown_ends_the_run_with_what_yahoo_says(yahoo, watch, capfd):
    yahoo.answer = error(404, "No data found, symbol may be delisted")
    reader = watch("NOPE")
    reader.ends_within(30)
    assert isinstance(reader.fault, SourceError)
    assert str(reader.fault) == "price:NOPE: Yahoo Finance has no prices of it: No data found, symbol may be delisted"
    assert capfd.readouterr() == ("", "")


def test_a_limit_of_questions_is_told_once_and_waited_for_with_growing_pauses(yahoo, watch, said, capfd):
    yahoo.answer = error(429, "Too Many Requests")
    reader = watch()
    wait_until(lambda: said, 30)
    assert "no connection yet: Yahoo Finance limits the number of questions; trying again in" in said[0]
    yahoo.answer = chart([OPEN, OPEN + 60], [1.0, 2.0])
    wait_until(lambda: reader.items, 30)
    assert len(said) == 2
    assert "the connection is back" in said[1]
    assert capfd.readouterr() == ("", "")


def test_without_a_connection_the_run_ends_after_the_first_limit(watch, yahoo, said, capfd, monkeypatch):
    monkeypatch.setattr(reconnecting, "FIRST_LIMIT", 2.0)
    yahoo.shutdown()
    yahoo.server_close()
    began = time.monotonic()
    reader = watch()
    reader.ends_within(60)
    assert time.monotonic() - began > 1.5
    assert "price:TEST: no connection within 2 s: Yahoo Finance cannot be asked: " in str(reader.fault)
    assert not said
    assert capfd.readouterr() == ("", "")


def test_a_loss_later_on_is_told_and_what_was_missed_comes_afterwards(yahoo, watch, said):
    yahoo.answer = chart([OPEN], [1.0])
    reader = watch()
    wait_until(lambda: reader.items)
    yahoo.answer = (500, "broken")
    wait_until(lambda: said)
    assert "the connection is lost: Yahoo Finance has no prices of it" in said[0]
    yahoo.answer = chart([OPEN, OPEN + 60, OPEN + 120], [1.0, 2.0, 3.0])
    wait_until(lambda: len(reader.items) == 3, 30)
    assert "the connection is back" in said[1]


@pytest.fixture
def source():
    """A source with a clock of its own, of which ``ask`` gives the new bars."""
    clock = [OPEN + 3600.0]
    source = open_source("price:TEST", SourceOptions(print))
    source._now = lambda: clock[0]
    source.clock = clock
    return source


def test_a_minute_is_given_once_it_is_over(yahoo, source):
    yahoo.answer = chart([OPEN, OPEN + 60], [1.0, 2.0])
    source.clock[0] = OPEN + 119.0
    assert [(item.value, item.time) for item in source._ask()] == [(1.0, OPEN)]
    assert source._ask() == []
    source.clock[0] = OPEN + 120.0
    assert [(item.value, item.time) for item in source._ask()] == [(2.0, OPEN + 60)]


def test_a_price_of_this_very_moment_is_of_no_minute_and_left_out(source):
    pandas = pytest.importorskip("pandas")
    moments = pandas.to_datetime([OPEN, OPEN + 60, OPEN + 121], unit="s", utc=True)
    bars = pandas.DataFrame({"Close": [1.0, 2.0, 3.0]}, index=moments)
    assert [item.value for item in source._new_bars(bars)] == [1.0, 2.0]


def test_the_hours_of_the_market_are_known_and_a_market_without_hours_is_always_open(yahoo, source):
    yahoo.answer = chart([OPEN], [1.0])
    source._ask()
    assert (source._begins, source._ends) == (OPEN, OPEN + 7200)
    source._note_hours({})
    assert source._begins < 0 < source._ends


def test_a_stop_ends_the_wait_for_an_answer_within_a_second(yahoo, watch, stop):
    yahoo.answer = (200, None)
    reader = watch()
    wait_until(lambda: yahoo.asked)
    threading.Timer(0.2, stop.request).start()
    reader.ends_within(1.2)


@pytest.mark.parametrize("word", ["price:", "price: ", "price:A/B", "price:A B", "price:" + "A" * 41, "price:\x1b[31m"])
def test_what_can_be_no_ticker_is_an_error(word):
    with pytest.raises(SourceError, match=r"is no ticker; write price:TICKER"):
        open_source(word, SourceOptions(print))


def test_polite_intervals_only():
    assert open_source("price:A", SourceOptions(print, interval=0.1))._interval == 10
    assert open_source("price:A", SourceOptions(print))._interval == 60


def test_main_judges_prices_and_says_nothing_of_the_package(yahoo, tmp_path):
    yahoo.answer = chart([OPEN + 60 * n for n in range(50)], [100 + n % 5 for n in range(50)])
    (tmp_path / "sitecustomize.py").write_text(REDIRECT, encoding="utf-8")
    program = Program("price:TEST", cwd=tmp_path, PYTHONPATH=str(tmp_path), HOME=str(tmp_path))
    try:
        wait_until(lambda: len(program.verdicts) == 50, 60)
        code, err, seconds = program.end(signal.SIGINT)
    finally:
        program.kill()
    assert (code, seconds < 1) == (0, True)
    assert program.verdicts[-1]["time"] == OPEN + 60 * 49
    assert err.lstrip().startswith("points  50 in")
    assert len(err.splitlines()) < 8
    assert {path.name for path in tmp_path.iterdir()} <= {"sitecustomize.py", "cache", "__pycache__"}
