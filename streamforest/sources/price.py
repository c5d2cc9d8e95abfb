"""A price by the minute, from Yahoo Finance: the last days first, then each new minute."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from streamforest.connections.reconnecting import Connection, Silence, UnreachableError, polled
from streamforest.optional import optional
from streamforest.protocols import Reading, Refusal, SourceError, Stop

#: Seconds between two questions where no other interval is chosen, and the least, out of politeness.
INTERVAL, LEAST_INTERVAL = 60.0, 10.0
#: Seconds of a bar, and of the longest pause while Yahoo is out of reach or limits the questions.
BAR, LONGEST_PAUSE = 60.0, 900.0
TIME_OUT = 10  # seconds of one request
_CAN_BE_SYMBOL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.^=-_&")


class PriceSource:
    """The closing prices of a ticker's minutes, each once, when its minute is over.

    Parameters
    ----------
    word : str
        ``price:TICKER``, as Yahoo Finance spells it.
    notify : callable
        Takes a line for people.
    interval : float, optional
        Seconds between two questions, at least LEAST_INTERVAL; INTERVAL without it.
    now : callable
        Seconds, UTC epoch.

    Raises
    ------
    SourceError
        It is no ticker.
    MissingPackageError
        yfinance is not installed.
    """

    live = True

    def __init__(
        self,
        word: str,
        notify: Callable[[str], None],
        interval: float | None = None,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._ticker = word.partition(":")[2].strip()
        self.name = f"price:{self._ticker}"
        if not self._ticker or len(self._ticker) > 40 or set(self._ticker) - _CAN_BE_SYMBOL:
            raise SourceError(f"{self._ticker!r} is no ticker; write price:TICKER as Yahoo Finance spells it, as AAPL")
        self._yahoo = _import_quietly()
        self._notify = notify
        self._interval = max(interval or INTERVAL, LEAST_INTERVAL)
        self._now = now
        self._last = -math.inf  # time of the newest bar
        self._has_answered = False
        self._ends = math.inf  # when the market's day ends, as the newest answer says
        self._begins = -math.inf

    def describe(self) -> str:
        """What is watched, in words."""
        return f"the price of {self._ticker} at the end of each minute"

    def read(self, stop: Stop, most: int) -> Iterator[list[Reading | Refusal]]:
        """Yield the last days' prices and then the new ones, and missing readings where there are none for long.

        Raises
        ------
        SourceError
            There was no connection within FIRST_LIMIT, or the ticker is unknown.
        """
        silence = Silence(self.name, self._notify, max(self._interval, BAR))
        connection = Connection(self.name, self._notify, longest_pause=LONGEST_PAUSE)

        def missed(has_come: bool) -> Reading | None:
            if has_come:
                silence.arrived()
            elif not self._begins <= self._now() <= self._ends + BAR:
                silence.rest()  # the market is closed
            elif silence.is_gap():
                return Reading(None, max(self._now(), self._last))
            return None

        for items in polled(self._ask, self._interval, connection, missed, stop):
            for start in range(0, len(items), most):
                if stop.requested:
                    return
                yield items[start : start + most]

    def close(self) -> None:
        """Nothing is held between two questions."""

    def _ask(self) -> list[Reading | Refusal]:
        """The bars that are over and were not given yet."""
        faults = self._yahoo.exceptions
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ticker = self._yahoo.Ticker(self._ticker)
                bars = ticker.history(
                    *(("1d" if self._has_answered else "5d"), "1m"),
                    **{"auto_adjust": False, "actions": False, "timeout": TIME_OUT},
                )
                metadata = ticker.history_metadata or {}
        except faults.YFRateLimitError:
            raise UnreachableError("Yahoo Finance limits the number of questions", is_patient=True) from None
        except faults.YFTickerMissingError as error:
            why = f"Yahoo Finance has no prices of it: {error.rationale}"
            if self._has_answered or getattr(error, "yahoo_reason", None) is None:
                raise UnreachableError(why) from None  # it was not Yahoo that said so
            raise SourceError(f"{self.name}: {why}") from None
        except Exception as error:  # its own faults are of many kinds, and those of its parts
            raise UnreachableError(f"Yahoo Finance cannot be asked: {_words(error)}") from None
        self._has_answered = True
        self._note_hours(metadata)
        return self._new_bars(bars)

    def _note_hours(self, metadata: Any) -> None:
        try:
            regular = metadata["currentTradingPeriod"]["regular"]
            self._begins, self._ends = (_seconds(regular[name]) for name in ("start", "end"))
        except (LookupError, TypeError, ValueError):
            self._begins, self._ends = -math.inf, math.inf

    def _new_bars(self, bars: Any) -> list[Reading | Refusal]:
        items: list[Reading | Refusal] = []
        for moment, value in zip(bars.index, bars["Close"].tolist(), strict=True):
            at = moment.timestamp()
            # the newest bar is of a minute that is not over, or stands for this very moment
            if self._last < at <= self._now() - BAR and at % BAR == 0:
                items.append(Reading(value, at))
                self._last = at
        return items


def _import_quietly() -> Any:
    """The package, with nothing of its own on the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yahoo = optional("yfinance", "price")
    for name in ("yfinance", "peewee"):
        log = logging.getLogger(name)
        log.addHandler(logging.NullHandler())
        log.propagate = False
    yahoo.config.debug.hide_exceptions = False  # or it logs them and gives an empty table
    return yahoo


def _seconds(moment: Any) -> float:
    """A time as the answer has it, in seconds or made a date already."""
    return float(moment.timestamp()) if hasattr(moment, "timestamp") else float(moment)


def _words(error: Exception) -> str:
    """The first line of what an error says."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
