"""Public holidays as days that count as Sundays: worked out beforehand, looked up by compiled code."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Records, compiled
from streamforest.optional import optional
from streamforest.text import did_you_mean

#: Years that they are worked out for: 30 to 100 ms.
YEARS = range(1970, 2100)
SUNDAY = 6  # Monday is 0

#: Begin and end of a holiday, seconds, UTC epoch, and the days from it to the next Sunday.
HOLIDAY_DTYPE = np.dtype([("begin", "f8"), ("end", "f8"), ("to_sunday", "i8")])
NO_HOLIDAYS = np.zeros(0, HOLIDAY_DTYPE)


@compiled
def days_to_sunday(holidays: Records, time: float) -> int:
    """Days from a time in a holiday to the same time of the next Sunday; 0 at other times.

    Parameters
    ----------
    holidays : records of HOLIDAY_DTYPE, shape (n,)
        In their order; they do not overlap.
    time : float
        Seconds, UTC epoch; NaN where unknown.
    """
    first, end = 0, holidays.size
    while first < end:
        middle = (first + end) // 2
        if holidays[middle].begin <= time:
            first = middle + 1
        else:
            end = middle
    if first == 0 or not time < holidays[first - 1].end:
        return 0
    return int(holidays[first - 1].to_sunday)


@lru_cache(maxsize=8)
def public_holidays(place: str, zone: tzinfo = UTC) -> NDArray[np.void]:
    """The public holidays of a country or of a part of it, from 1970 to 2099 as far as they are known.

    Parameters
    ----------
    place : str
        A country's code, alone or with that of a part of it: ``DE``, ``DE-BY``, ``US-NY``; in any case.
    zone : tzinfo
        Whose midnights they begin and end at.

    Returns
    -------
    array of HOLIDAY_DTYPE, shape (n,)
        For ``StreamDetector`` and ``StreamDetectors``; others may have the same array.

    Raises
    ------
    ValueError
        There is no such country, or no such part of it; the message says what may have been meant.
    MissingPackageError
        The package holidays is not installed.

    Notes
    -----
    A day off in lieu of one that falls on a weekend is a holiday as well.
    """
    package = optional("holidays", "holidays")
    country, part = _codes(place, package.list_supported_countries())
    with warnings.catch_warnings(action="ignore"):  # of some countries fewer years are known
        days = package.country_holidays(country, subdiv=part, years=YEARS)
    found = [
        (_midnight(day, zone), _midnight(day + timedelta(1), zone), SUNDAY - day.weekday()) for day in sorted(days)
    ]
    return np.array([one for one in found if one[2]], HOLIDAY_DTYPE)


def _codes(place: str, parts: Mapping[str, Sequence[str]]) -> tuple[str, str | None]:
    """The codes of the country and of the part of it, as the package writes them."""
    codes: dict[str, tuple[str, str | None]] = {
        f"{country}-{part}".upper(): (country, part) for country, own in parts.items() for part in own
    }
    codes |= {country: (country, None) for country in parts}
    wanted = place.strip().upper()
    if wanted in codes:
        return codes[wanted]
    country, _, part = wanted.partition("-")
    if own := parts.get(country):
        hint = did_you_mean(part, own) or f"; parts of {country} are {', '.join(own)}"
    else:
        hint = did_you_mean(wanted, codes)
    raise ValueError(f"there are no holidays of it: write a country's code, alone or with a part, as DE or DE-BY{hint}")


def _midnight(day: date, zone: tzinfo) -> float:
    return datetime.combine(day, time(), zone).timestamp()
