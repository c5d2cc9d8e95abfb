"""How the numbers of a column are written: decimal sign, thousands, unit, words; learnt from its first cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from streamforest.reading.notation import MINUS, MISSING, NO_NUMBER, RefusedError
from streamforest.text import shown

#: Words that a switch or contact has in place of numbers.
SWITCH_WORDS = {
    **dict.fromkeys(("on", "true", "open", "yes", "opened", "active"), "1"),
    **dict.fromkeys(("off", "false", "closed", "no", "close", "inactive"), "0"),
    # in German, French, Spanish, Italian, Portuguese and Dutch
    **dict.fromkeys(("ein", "an", "ja", "offen", "oui", "ouvert", "s\u00ed", "si", "s\u00ec", "sim", "aan"), "1"),
    **dict.fromkeys(("aus", "nein", "zu", "geschlossen", "non", "ferm\u00e9", "n\u00e3o", "uit", "nee"), "0"),
}
#: What banks write behind an amount, or in a column of its own, in lower case: whether it is taken away.
BOOKED = {
    **dict.fromkeys(("s", "soll", "d", "dr", "dr.", "db", "debit", "-", "\u2212"), True),
    **dict.fromkeys(("h", "haben", "c", "cr", "cr.", "credit", "+"), False),
    # in Dutch, French, Spanish and Italian, and what cash books write
    **dict.fromkeys(
        ("af", "d\u00e9bit", "debe", "cargo", "dare", "withdrawal", "expense", "ausgabe", "belastung"), True
    ),
    **dict.fromkeys(
        ("bij", "cr\u00e9dit", "haber", "abono", "avere", "deposit", "income", "einnahme", "gutschrift"), False
    ),
}
#: Units by which one cell alone is known to be a number, in lower case; others have to be shared by most of a column.
UNITS = frozenset(
    [
        *("%", "‰", "°", "°c", "°f", "k", "kelvin", "c", "f", "v", "mv", "kv", "a", "ma", "w", "kw", "mw", "gw", "va"),
        *("kva", "var", "wh", "kwh", "mwh", "gwh", "j", "kj", "mj", "hz", "khz", "mhz", "ghz", "s", "ms", "us", "µs"),
        *("ns", "min", "h", "d", "pa", "hpa", "kpa", "mpa", "bar", "mbar", "psi", "m", "mm", "cm", "km", "m2", "m²"),
        *("m3", "m³", "l", "ml", "m/s", "km/h", "kmh", "mph", "kn", "g", "kg", "mg", "t", "ug/m3", "µg/m³", "mg/m³"),
        *("ppm", "ppb", "lx", "lux", "lm", "db", "dbm", "rpm", "b", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "tib"),
        *("bit/s", "kbit/s", "mbit/s", "b/s", "kb/s", "mb/s", "eur", "usd", "chf", "gbp", "$", "€", "£", "¥", "ct"),
        *("rh", "%rh", "ohm", "ω", "n", "nm", "l/min", "l/h", "m³/h", "m3/h", "w/m²", "w/m2", "mm/h", "kcal", "bpm"),
        *("req/s", "rps", "ops", "degc", "degf", "deg", "celsius", "fahrenheit", "percent", "volt", "volts", "watt"),
        *("ki", "mi", "gi", "ti"),
    ]
)
# Units that one column may mix, by what they are multiples of: powers of ten, or of 1024 as a float.
_TENS = {"": 0, "k": 3, "K": 3, "M": 6, "G": 9, "T": 12, "P": 15, "m": -3, "u": -6, "\u00b5": -6, "\u03bc": -6, "n": -9}
_BASES = ("B", "B/s", "Bps", "b", "b/s", "bps", "bit/s", "Bytes", "W", "Wh", "VA", "Hz", "V", "A", "\u03a9", "g", "s")
_COUNTS = {"": 0, "k": 3, "K": 3, "M": 6, "Mil": 6, "Mio": 6, "B": 9, "Bil": 9, "G": 9, "T": 12}
_BINARY = {"Ki": 1024.0, "Mi": 1024.0**2, "Gi": 1024.0**3, "Ti": 1024.0**4}
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_TIMES = {"min": _MINUTE, "mins": _MINUTE, "h": _HOUR, "hour": _HOUR, "hours": _HOUR}
_TIMES |= {"d": _DAY, "day": _DAY, "days": _DAY}
_SCALES: dict[str, dict[str, int | float]] = {
    base: {prefix + base: power for prefix, power in _TENS.items()}
    | {f"{prefix}i{base}": 1024.0 ** (at + 1) for at, prefix in enumerate("KMGTP")}
    for base in _BASES
}
_SCALES["s"] |= _TIMES
_SCALES[""] = _COUNTS | _BINARY
_CURRENCY = r"(?:[$€£¥₹₽₩₺₿]|US\$|A\$|C\$|EUR|USD|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK|Fr\.|kr|Rs\.?|R\$)"
_BLANKS = " \u00a0\u2009\u202f"
_MINUS = "".join(MINUS)
_MARK = "*"  # behind a number that is estimated or preliminary
# What offices of statistics write behind a number, or behind the colon that stands for none: b, a break in the series,
# e, estimated, p, provisional, and so on. Some of these letters are units too: one that is none has to be among them.
_FLAG, _NO_UNITS = re.compile(r"(?<=[\d:])\s?[bcdefinprsuz]{1,2}", re.ASCII), frozenset("bepruz")
_MOST_UNIT = 12  # characters
_ENOUGH_THIRDS = 5  # numbers, each with three digits behind its sign, that can hardly be decimals beside whole numbers

_FAR_APART = 10  # times
# A dash behind the decimal sign stands for no cents: 100.- is a hundred francs, and nothing that is taken away.
_CELL = re.compile(
    rf"(?P<open>\()?(?P<sign>[-+{_MINUS}]?)\s?(?P<prefix>{_CURRENCY})?\s?(?P<inner>[-+{_MINUS}]?)"
    rf"(?P<digits>\d(?:[\d.,'\u2019{_BLANKS}]*\d)?[.,]?|[.,]\d+)(?:(?<=[.,])[-\u2013\u2014]{{1,2}})?(?P<power>[eEdD][-+{_MINUS}]?\d{{1,3}})?"
    rf"(?P<behind>\s?[-+{_MINUS}](?![^\W_]))?"
    rf"(?P<suffix>\s?(?![xX][\dA-Fa-f]+$)[^\d\s.,:()+\-][^,;:]{{0,{_MOST_UNIT}}})?(?P<close>\))?"
)
# As spreadsheets write amounts for accountants: the currency before the brackets, and a dash for nothing.
_ACCOUNTS = re.compile(rf"(?P<currency>{_CURRENCY})\s*(?:\((?P<digits>[^()]+)\)|(?P<nothing>-))")
# Most numbers: with a decimal sign and no other, or without one.
_SIMPLE = {sign: re.compile(rf"-?\d+(?:\{sign}\d+)?", re.ASCII) for sign in ".,"}
# Groups of three digits; or of two before the last three, as lakhs and crores are written: 12,34,567.
_GROUPED = re.compile(
    rf"\d{{1,3}}(?P<sign>[.,'\u2019{_BLANKS}])(?:\d{{3}}(?:(?P=sign)\d{{3}})*|(?:\d\d(?P=sign)(?<=,))+\d{{3}})"
    r"(?P<rest>[.,]\d*)?"
)
_FLAGGED = re.compile(r"[-+]\d{4,5},\d")
# How long something took, as pandas, watches and lists of calls write it: 1:02:03, 5:43, 0 days 00:00:01.5.
_DURATION = re.compile(
    rf"(?P<sign>[-+{_MINUS}]?)(?:(?P<days>\d+) days?,? )?(?P<parts>\d+(?::[0-5]\d){{1,2}}(?:[.,]\d+)?)", re.ASCII
)
_THIRDS = re.compile(r"[1-9]\d{0,2}\.\d{3}")


class AmbiguousNumberError(ValueError):
    """The numbers of a column can be read in two ways; says what to do."""


class NumberForm(NamedTuple):
    """How the numbers of a column are written.

    Attributes
    ----------
    decimal : str
        Decimal sign, ``.`` or ``,``.
    thousands : str
        What stands between groups of three digits; a blank stands for all kinds of blanks; empty: nothing.
    prefix, suffix : str
        Currency or unit that may stand around the number, without blanks.
    kind : str
        ``number``; ``switch``: words of SWITCH_WORDS; ``booked``: amounts with a sign, a word of BOOKED or a mark
        behind, in brackets, or with a power such as D-02; ``flagged``: with letters of _FLAG behind some of them;
        ``whole``: no cell had a decimal sign, and one dot before three digits could be either; ``thirds``: every cell
        had a dot before three digits, and one without could be either; ``scaled``: with units of several sizes, such as
        kB and MB, of which the suffix is the one without a prefix; ``duration``: hours, minutes and seconds, or two of
        them, with colons between, as a number of the smallest.
    """

    decimal: str = "."
    thousands: str = ""
    prefix: str = ""
    suffix: str = ""
    kind: str = "number"

    @property
    def unit(self) -> str:
        """The unit that stands with the numbers; empty where none does."""
        return self.suffix or self.prefix

    def normalised(self, text: str) -> str:
        """A cell as the number that it stands for, its decimal sign still the column's own.

        Raises
        ------
        RefusedError
            It is none in this form.
        """
        if self.kind == "number" and _SIMPLE[self.decimal].fullmatch(text):
            return text
        cell = _inverted(text.strip()).rstrip(_MARK)
        cell = _without_flag(cell) if self.kind == "flagged" else cell
        word = cell.lower()
        if word in MISSING:
            return ""
        if self.kind == "switch":
            if word in SWITCH_WORDS:
                return SWITCH_WORDS[word]
            raise RefusedError(NO_NUMBER, f"{shown(text)} is neither on nor off")
        if self.kind == "duration":
            return _in_smallest_part(cell)
        found = _CELL.fullmatch(cell)
        if found is not None and self.kind != "number":
            self._check_undecided(text, found["digits"])
        if found is None or not self._has_unit(found):
            return text  # the validator says what is wrong, unless it is a plain number all the same
        word = (found["suffix"] or "").strip().lower() if self.kind == "booked" else ""
        signs = [sign for name in ("sign", "inner", "behind") if (sign := (found[name] or "").strip())]
        signs += ["-" if BOOKED[word] else "+"] if word in BOOKED else []
        if len(signs) > 1:
            return text
        digits = self._digits(found["digits"], text)
        is_negative = signs != [] and signs[0] != "+"
        if bool(found["open"]) != bool(found["close"]) or (found["open"] and is_negative):
            return text
        sign = "-" if is_negative or found["open"] else ""
        if self.kind == "scaled":
            return sign + _scaled(
                digits.replace(self.decimal, "."), _scale(self.suffix)[(found["suffix"] or "").strip()]
            )
        power = re.sub("[dD]", "e", re.sub(f"[{_MINUS}]", "-", found["power"] or ""))
        return f"{sign}{digits}{power}"

    def _has_unit(self, found: re.Match[str]) -> bool:
        """Whether what stands around a number is the column's unit, or nothing."""
        suffix = (found["suffix"] or "").strip()
        is_booked = self.kind == "booked" and suffix.lower() in BOOKED
        if self.kind == "scaled" and suffix in _scale(self.suffix):
            return True
        return (found["prefix"] or "") in {"", self.prefix} and (is_booked or suffix in {"", self.suffix})

    def _check_undecided(self, text: str, digits: str) -> None:
        """Refuse a number that can be read in two ways beside the ones before it."""
        is_third = bool(_THIRDS.fullmatch(digits))
        if is_third and self.kind == "whole":
            raise RefusedError(NO_NUMBER, f"{shown(text)} may have a decimal point or thousands: say --decimal")
        if self.kind == "thirds" and digits.strip("0").isdigit():
            reason = f"{shown(text)} stands beside numbers such as 1.234, which may be thousands: say --decimal"
            raise RefusedError(NO_NUMBER, reason)

    def _digits(self, digits: str, text: str) -> str:
        other = "," if self.decimal == "." else "."
        found = _GROUPED.fullmatch(digits)
        if found is not None and self.thousands and _sign_kind(found["sign"]) == self.thousands:
            whole = digits[: found.start("rest")] if found["rest"] else digits
            rest = found["rest"] or ""
            if rest and rest[0] != self.decimal:
                raise RefusedError(NO_NUMBER, f"{shown(text)} is no number with {self.decimal!r} as its decimal sign")
            return re.sub(r"\D", "", whole) + rest
        if self.decimal == "," and digits.count(other) == 1 and "," not in digits:
            return digits.replace(other, ",")  # 21.5 among 21,5: no thousands, so it can only be a decimal point
        return digits  # the validator refuses what is left of strange signs


#: Numbers as ``float`` reads them.
DEFAULT_FORM = NumberForm()


def _inverted(text: str) -> str:
    """A text with a currency inside its brackets rather than before them, and 0 for a dash behind one.

    Examples
    --------
    >>> [_inverted(text) for text in ("$ (1.50)", "$ -", "-")]
    ['($1.50)', '$0', '-']
    """
    found = _ACCOUNTS.fullmatch(text)
    if found is None:
        return text
    return f"{found['currency']}0" if found["nothing"] else f"({found['currency']}{found['digits'].strip()})"


def _in_smallest_part(cell: str) -> str:
    """A duration as a number of the smallest of its parts; any other text as it is."""
    found = _DURATION.fullmatch(cell)
    if found is None:
        return cell
    *parts, last = found["parts"].replace(",", ".").split(":")
    whole = 0
    for at, part in enumerate(parts):
        whole = whole * 60 + int(part) + (0 if at else int(found["days"] or 0) * 24)
    sign = "-" if found["sign"] not in {"", "+"} else ""
    seconds, dot, fraction = last.partition(".")
    return f"{sign}{whole * 60 + int(seconds)}{dot}{fraction}"


def _scale(base: str) -> dict[str, int | float]:
    """The units that are multiples of one, and that one without its name."""
    return _SCALES[base] | {"": 0}


def _scaled(digits: str, size: int | float) -> str:
    """A number times a power of ten, or a size."""
    return f"{digits}e{size}" if isinstance(size, int) else repr(float(digits) * size)


def _common_scale(suffixes: set[str]) -> str | None:
    """The unit that several units of a column are multiples of; None where they are of no one kind."""
    if len(suffixes - {""}) < 2 and suffixes not in ({"", "K"}, {"", "k"}, {"", "M"}):
        return None
    return next((base for base in _SCALES if suffixes <= _scale(base).keys()), None)


def _sign_kind(sign: str) -> str:
    return " " if sign in _BLANKS else "'" if sign in "'\u2019" else sign


@lru_cache(4096)
def is_formed_number(cell: str) -> bool:
    """Whether one cell alone is a number in some form, with a unit that is known.

    Examples
    --------
    >>> [is_formed_number(cell) for cell in ("21,5 %", "1.234,50", "-$5", "5 kitchen", "12X")]
    [True, True, True, False, False]
    """
    found = _CELL.fullmatch(cell.strip())
    if found is None or not _is_shaped(found["digits"]) or (found["behind"] and found["digits"].isdigit()):
        return False
    suffix = (found["suffix"] or "").strip()
    return not suffix or suffix.lower() in UNITS


def _is_shaped(digits: str) -> bool:
    """Whether digits have at most one decimal sign, and groups of three before it."""
    signs = [sign for sign in digits if not sign.isdigit()]
    is_one = len(signs) <= 1 and not (signs and signs[0] in _BLANKS + "'\u2019")
    return is_one or _GROUPED.fullmatch(digits) is not None


def learn_number_form(
    cells: Sequence[str], separator: str | None = None, decimal: str | None = None, *, is_comma_usual: bool = False
) -> NumberForm | None:
    """The form of a column, from some of its cells.

    Parameters
    ----------
    cells : sequence of str
        Empty ones and words for missing readings are passed over.
    separator : str, optional
        What stands between cells: a comma in a cell of a text with other separators is rather a decimal sign.
    decimal : str, optional
        The decimal sign, where the user said it.
    is_comma_usual : bool
        Whether other cells of the text have a decimal comma, or dates with dots.

    Returns
    -------
    NumberForm or None
        None: most of the cells are no numbers.

    Raises
    ------
    AmbiguousNumberError
        Every number could be read in two ways.

    Examples
    --------
    >>> learn_number_form(["964", "1.003"], ";").thousands
    '.'
    >>> learn_number_form(["21.2%", "n/a"]).suffix
    '%'
    """
    texts = [text for cell in cells if (text := cell.strip()) and text.lower() not in MISSING]
    has_marks = any(text.endswith(_MARK) for text in texts)
    texts = [bare for text in texts if (bare := _inverted(text).rstrip(_MARK))]
    is_flagged = _are_flagged(texts)
    if is_flagged:
        texts = [bare for text in texts if (bare := _without_flag(text)) not in MISSING]
    if not texts:
        return None
    if all(text.lower() in SWITCH_WORDS for text in texts):
        return NumberForm(kind="switch")
    if 2 * sum(_DURATION.fullmatch(text) is not None for text in texts) > len(texts):
        return NumberForm(kind="duration")
    found = [match for text in texts if (match := _CELL.fullmatch(text)) and _is_shaped(match["digits"])]
    if not found:
        return None
    words = {word for match in found if (word := (match["suffix"] or "").strip().lower())}
    is_booked = has_marks or any(
        match["behind"] or match["open"] or (match["power"] or "")[:1] in {"d", "D"} for match in found
    )
    if _are_booked(found) and len({BOOKED[word] for word in words}) > 1:
        is_booked, texts = True, [_without_word(text) for text in texts]
        found = [match for text in texts if (match := _CELL.fullmatch(text)) and _is_shaped(match["digits"])]
    around = Counter(((match["prefix"] or ""), (match["suffix"] or "").strip()) for match in found)
    if len(found) > len(texts) / 2 and (base := _common_scale({suffix for _, suffix in around})) is not None:
        bodies = [match["digits"] for match in found]
        usual = "," if is_comma_usual or separator == ";" or any("," in body for body in bodies) else "."
        sign = decimal or _proof(bodies) or usual
        thousands = "." if sign == "," else ","
        return NumberForm(sign, thousands, found[0]["prefix"] or "", base, "scaled")
    with_unit = Counter({unit: n for unit, n in around.items() if any(unit)})
    unit = ("", "")
    if with_unit and 2 * with_unit.total() > len(texts):
        (unit, n), *_ = with_unit.most_common(1)
        if 2 * n <= len(texts):
            return None
    bodies = [match["digits"] for match in found if ((match["prefix"] or ""), (match["suffix"] or "").strip()) == unit]
    if 2 * len(bodies) <= len(texts):
        return None
    if separator == "," and decimal is None and all(map(_FLAGGED.fullmatch, texts)):
        raise AmbiguousNumberError(
            f"{shown(texts[0])} may be a value and its flag, as in files of weather, or have a decimal comma: say "
            "--decimal comma if it has"
        )
    sign, thousands, kind = _signs(bodies, separator, decimal, is_comma_usual)
    return NumberForm(sign, thousands, *unit, "booked" if is_booked else "flagged" if is_flagged else kind)


def _are_booked(found: Sequence[re.Match[str]]) -> bool:
    """Whether amounts have words of BOOKED behind them; one small letter is rather a unit, as of hours and seconds."""
    words = [word for match in found if (word := (match["suffix"] or "").strip())]
    return all(word.lower() in BOOKED and (len(word) > 1 or not word.islower()) for word in words)


def _without_flag(text: str) -> str:
    """A number, or the colon in place of one, without the letters of _FLAG behind it."""
    return text[: found.start()] if (found := _FLAG.search(text)) and found.end() == len(text) else text


def _are_flagged(texts: Sequence[str]) -> bool:
    """Whether some numbers of a column have letters of _FLAG behind them, and the others nothing.

    Examples
    --------
    >>> [_are_flagged(texts) for texts in (["12.3 b", "12.4"], ["5 d", "12.4"], ["12.3 b"] * 2, ["12.3 b", "1 kb"])]
    [True, False, False, False]
    """
    if not any(text[-1].islower() for text in texts):
        return False
    bare = [_without_flag(text) for text in texts]
    flags = {text[len(number) :].strip() for text, number in zip(texts, bare, strict=True)}
    if "" not in flags or not _NO_UNITS.intersection("".join(flags)):
        return False
    found = [_CELL.fullmatch(number) for number in bare if number != ":"]
    return all(match is not None and not match["suffix"] for match in found)


def _without_word(text: str) -> str:
    """An amount without the word of BOOKED behind it."""
    return re.sub(r"[^\W\d]+\.?$", "", text).rstrip()


def _signs(bodies: list[str], separator: str | None, decimal: str | None, is_comma_usual: bool) -> tuple[str, str, str]:
    """Decimal sign, thousands sign and kind of numbers without their signs and units."""
    for body in bodies:
        found = _GROUPED.fullmatch(body)
        if found and found["sign"] in "'\u2019" + _BLANKS:
            rest = next((b.rstrip("0123456789")[-1:] for b in bodies if b.rstrip("0123456789")[-1:] in {".", ","}), "")
            return decimal or rest or ".", _sign_kind(found["sign"]), "number"
    if decimal is not None:
        return decimal, "." if decimal == "," else ",", "number"
    proof = _proof(bodies)
    if proof is not None:
        sign = proof
    elif separator == ";" or is_comma_usual:
        return _undecided(bodies, separator, is_comma_usual)
    elif any("," in body for body in bodies):
        # in a text with commas between cells a comma inside is one of thousands
        if separator != "," and not any(body.isdigit() for body in bodies):
            raise _ambiguous(next(body for body in bodies if "," in body))
        sign = "."
    else:
        sign = "," if _are_rather_thousands(bodies) else "."
    other = "." if sign == "," else ","
    has_other = any(other in body for body in bodies)
    return sign, other if has_other or sign == "," else "", "number"


def _proof(bodies: list[str]) -> str | None:
    """The decimal sign that one of the numbers proves; None where every one could be read both ways."""
    for body in bodies:
        dots, commas = body.count("."), body.count(",")
        if dots and commas:
            return "." if body.rfind(".") > body.rfind(",") else ","
        sign, other = (".", ",") if dots else (",", ".")
        if dots + commas > 1:
            return other
        if dots + commas == 1:
            whole, _, rest = body.partition(sign)
            if len(rest) != 3 or len(whole) > 3 or whole in {"", "0"} or whole.startswith("0"):
                return sign
    return None


def _are_rather_thousands(bodies: list[str], sign: str = ".") -> bool:
    """Whether numbers such as 1.048 go with the whole ones beside them as 1048; no, where there are no whole ones.

    Raises AmbiguousNumberError where they do not go with the whole ones either way: there are so many that one with two
    decimal places would be among them, or the whole ones are far larger than the decimals that they would be.
    """
    whole = sorted(int(body) for body in bodies if body.isdigit() and int(body))
    thirds = sorted(int(body.replace(sign, "")) for body in bodies if sign in body)
    if not whole or not thirds:
        return False
    middle, third = whole[len(whole) // 2], thirds[len(thirds) // 2]
    if middle * middle > third * third / 1000:  # closer, by factors, to 1048 than to 1.048
        return True
    if len(thirds) >= _ENOUGH_THIRDS or 1000 * middle > _FAR_APART * third:
        raise _ambiguous(next(body for body in bodies if sign in body))
    return False


def _ambiguous(body: str) -> AmbiguousNumberError:
    return AmbiguousNumberError(
        f"{shown(body)} and the like may have a decimal sign or thousands: say --decimal comma or --decimal dot"
    )


def _undecided(bodies: list[str], separator: str | None, is_comma_usual: bool) -> tuple[str, str, str]:
    """The same where no number proves it, in a text in which a comma is rather a decimal sign."""
    is_whole_there = any(body.isdigit() for body in bodies)
    if any("," in body for body in bodies):
        is_english = is_whole_there and (separator != ";" or _are_rather_thousands(bodies, ","))
        return (".", ",", "number") if is_english else (",", ".", "number")
    if not any("." in body for body in bodies):
        return (",", ".", "number") if is_comma_usual else (".", "", "whole")
    if is_comma_usual or is_whole_there:
        return ",", ".", "number"
    return ".", "", "thirds"
