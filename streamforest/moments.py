"""Times as text for people: ISO 8601 in UTC."""

from __future__ import annotations

from math import isfinite

import numpy as np

#: Seconds from 1970 beyond which a time is shown as the number it is, some 300,000 years.
FARTHEST = 1e13
#: Seconds in which a time is shown by its hour alone.
RECENT = 20 * 3600.0


def iso_time(seconds: float, has_fractions: bool = True) -> str:
    """A time as text.

    Parameters
    ----------
    seconds : float
        UTC epoch; finite.
    has_fractions : bool
        Whether milliseconds are shown; else the second that it lies in.

    Examples
    --------
    >>> iso_time(1714521600.25)
    '2024-05-01T00:00:00.250Z'
    >>> iso_time(1714521600.25, has_fractions=False)
    '2024-05-01T00:00:00Z'
    """
    if abs(seconds) > FARTHEST:
        return f"{seconds:.6g}"
    if has_fractions:
        return f"{np.datetime64(round(seconds * 1000), 'ms')}Z"
    return f"{np.datetime64(int(seconds // 1), 's')}Z"


def short_time(seconds: float, newest: float) -> str:
    """A time as short as it can be seen from the newest one, both in seconds, UTC epoch.

    The year is there where it is another one than that of the newest time, unless that is infinite.

    Examples
    --------
    >>> short_time(1714521600.0, 1714521700.0), short_time(1714521600.0, 1714821600.0), short_time(0.0, 1714521600.0)
    ('00:00:00', '05-01 00:00', '1970-01-01 00:00')
    """
    date, letter, clock = iso_time(seconds, has_fractions=False).removesuffix("Z").partition("T")
    if not letter:
        return date
    if abs(newest - seconds) < RECENT:
        return clock
    is_same_year = not isfinite(newest) or iso_time(newest).startswith(date[:-6])
    return f"{date[-5:] if is_same_year else date} {clock[:5]}"
