"""Times as text for people: ISO 8601 in UTC."""

from __future__ import annotations

import numpy as np

#: Seconds from 1970 beyond which a time is shown as the number it is, some 300,000 years.
FARTHEST = 1e13


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
