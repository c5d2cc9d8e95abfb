"""Numbers, rates and reasons as people read them: one notation wherever they stand."""

from __future__ import annotations

from math import floor, inf, isfinite, log10

from streamforest.protocols import WITHOUT_BAND, Verdict

MINUS, PLUS_MINUS = "\N{MINUS SIGN}", "\N{PLUS-MINUS SIGN}"
UNKNOWN = "unknown"
DASH = "\N{EN DASH}"  # where there is no number to write
DIGITS, FINE_DIGITS = 5, 3  # of a number by itself, and of what tells how finely numbers beside it are written
LARGEST, LEAST = 1e12, 1e-4  # from and below which numbers have a power of ten
MOST_DECIMALS = 12


def number_text(number: float | None, resolution: float | None = None, *, keeps_zeros: bool = False) -> str:
    """A number with thousands apart, and without zeros that say nothing.

    Parameters
    ----------
    number : float or None
        None, NaN and infinities are unknown.
    resolution : float, optional
        A difference that matters, for example half the width of the band: the number gets the decimals with which this
        one has 3 digits, so that numbers side by side are equally fine. Where it is not given, the number has 5 digits.
    keeps_zeros : bool
        Whether zeros at its end stay, so that a number that changes keeps its length.

    Examples
    --------
    >>> number_text(31253.7), number_text(0.00012345678), number_text(41.237812, resolution=6.8312)
    ('31,254', '0.00012346', '41.24')
    """
    if number is None or not isfinite(number):
        return UNKNOWN
    size = abs(number)
    if size >= LARGEST or 0 < size < LEAST:
        mantissa, _, power = f"{number:.{DIGITS - 1}e}".partition("e")
        text = f"{_short(mantissa)}e{int(power)}"
    else:
        is_relative = resolution is not None and isfinite(resolution) and resolution > 0
        scale, digits = (resolution or 0.0, FINE_DIGITS) if is_relative else (size, DIGITS)
        decimals = digits - 1 - floor(log10(scale)) if scale else 0
        text = f"{number:,.{min(max(decimals, 0), MOST_DECIMALS)}f}"
        text = text if keeps_zeros else _short(text)
    return "0" if text == "-0" else text.replace("-", MINUS)


def spread_text(spread: float | None) -> str:
    """A width or a distance, of which no more than 3 digits say anything.

    Examples
    --------
    >>> spread_text(21613.2), spread_text(6.8312)
    ('21,600', '6.83')
    """
    return number_text(None if spread is None else float(f"{spread:.{FINE_DIGITS}g}"))


def p_text(p_value: float | None, digits: int = 2) -> str:
    """A p-value, of which few digits say anything.

    Examples
    --------
    >>> p_text(0.00066123), p_text(0.04, digits=1)
    ('0.00066', '0.04')
    """
    return number_text(None if p_value is None else float(f"{p_value:.{digits}g}"))


def expected_text(verdict: Verdict) -> str:
    """What a value was expected to be, and half the width of the band; ``unknown`` before the first expectation."""
    half = half_width(verdict)
    return UNKNOWN if half is None else f"{number_text(verdict.expected, half)} {PLUS_MINUS} {spread_text(half)}"


def half_width(verdict: Verdict) -> float | None:
    """Half the width of the band that a value was held against; None where there was none."""
    if verdict.expected is None or verdict.lower is None or verdict.upper is None:
        return None
    return (verdict.upper - verdict.lower) / 2


def reason_text(verdict: Verdict) -> str:
    """The reason of an anomalous point as people read it; ``Verdict.reason`` is what programs read.

    Examples
    --------
    >>> from streamforest.protocols import Verdict
    >>> verdict = Verdict(7, None, 31253.7, None, 0.9, 0.6, 1e-4, True, 9654.2, -11960.0, 31252.0, 1, "spike: ...")
    >>> print(reason_text(verdict))
    spike: 31,254, expected 9,654 ± 21,600
    """
    kind = kind_text(verdict)
    if not kind:
        return ""
    half = half_width(verdict)
    reading = "no reading" if verdict.value is None else number_text(verdict.value, half)
    if half is None or kind in WITHOUT_BAND:
        return f"{kind}: {reading}"
    placed = " at this point of the season" if kind == "season break" else ""
    return f"{kind}: {reading}, expected {expected_text(verdict)}{placed}"


def kind_text(verdict: Verdict) -> str:
    """What kind of event a point belongs to, without its numbers; empty for a normal point."""
    return verdict.reason.partition(":")[0]


def duration_text(seconds: float) -> str:
    """How long something lasted, in the unit that makes it a readable number.

    Examples
    --------
    >>> duration_text(3.4), duration_text(300), duration_text(7200), duration_text(200_000)
    ('3.4 s', '5 min', '2 h', '2.3 days')
    """
    units = (("s", 1.0, 120.0), ("min", 60.0, 7_200.0), ("h", 3_600.0, 172_800.0), ("days", 86_400.0, inf))
    unit, length = next((name, size) for name, size, most in units if seconds < most or most == inf)
    return f"{number_text(float(f'{seconds / length:.2g}'))} {unit}"


def rate_text(points_per_second: float) -> tuple[str, str]:
    """How fast points come: a readable number, and the unit of time that makes it one.

    Examples
    --------
    >>> rate_text(12345.6), rate_text(9.96), rate_text(0.2), rate_text(0.0001), rate_text(0)
    (('12,346', 's'), ('9.96', 's'), ('12', 'min'), ('8.64', 'day'), ('0', 's'))
    """
    if not points_per_second:
        return "0", "s"
    units = (("s", 1.0), ("min", 60.0), ("h", 3600.0), ("day", 86_400.0))
    unit, number = next(((u, points_per_second * s) for u, s in units if points_per_second * s >= 1), ("day", 0.0))
    if not number:
        number = points_per_second * 86_400.0
    return (f"{number:,.0f}" if number >= 100 else number_text(float(f"{number:.3g}"))), unit


def cut(text: str, letters: int) -> str:
    """Text with its middle left out if it is longer than so many letters."""
    if len(text) <= letters:
        return text
    end = max(1, (letters - 1) // 2)
    return f"{text[: max(1, letters - 1 - end)]}\N{HORIZONTAL ELLIPSIS}{text[-end:]}"


def _short(text: str) -> str:
    """A number without zeros at its end that say nothing."""
    return text.rstrip("0").rstrip(".") if "." in text else text
