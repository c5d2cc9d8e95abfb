"""The coding of a text that is no UTF-8: Windows' for Western Europe, or the one in which its words make sense."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

#: What text is coded in where it is no UTF-8 and no other coding makes more sense: Windows' own extension of Latin-1.
FALLBACK = "cp1252"
#: Codings in which several bytes may stand for one sign, of which the last may be that of a separator.
MULTIBYTE = ("cp932", "cp949", "gbk", "big5", "euc_jp")
#: Those that are tried; where two do equally well, the first one is taken.
CODINGS = (
    *(FALLBACK, "cp1250", "cp1254", "mac_roman", "cp850", "iso8859_15", "cp1251", "koi8_r", "cp866"),
    *("cp1253", "cp1255", "cp1256", "cp874"),
    *MULTIBYTE,
)
# Words that stand over columns, and dates, in languages whose letters several codings share: one of them tells.
_WORDS = re.compile(
    r"\d年\d{1,2}月|\d년\s?\d{1,2}월|"
    "日時|日付|時刻|時間|年月日|温度|湿度|気温|電力|電圧|電流|圧力|データ|測定|番号|残高|金額|摘要|備考|流量|平均|"
    "时间|日期|数值|电压|电流|功率|压力|序号|名称|记录|余额|金额|交易|湿度|"
    "溫度|濕度|數值|電壓|壓力|"
    "일시|날짜|시간|온도|습도|기온|전력|측정|번호|금액|잔액|전압|전류|지점|시각|값|강수량|풍속|"
    "תאריך|שעה|זמן|ערך|סכום|טמפרטורה|วันที่|เวลา|อุณหภูมิ|ค่า|التاريخ|الوقت|القيمة|الحرارة|"
    "дата|время|температура|влажность|значение|сумма|кВт|"
    "čas|datum|hodnota|měření|průměr|množství|wartość|godzina|ilość|średnia|napięcie|kč\\b|idő|érték|hőmérséklet|dátum|"
    "s\u0131cakl\u0131k|değer|zaman|température|größe|außen|temperatur|wert|prix",
    re.IGNORECASE,
)
_WORTH = 5  # of a word that is known, in words that are likely
# Signs beside letters that stand in tables.
_USUAL = frozenset(
    "\u00b0\u00b5\u03bc\u00b2\u00b3\u00b9\u20ac\u00a3\u00a7\u00b1\u00b7\u2013\u2014\u2026\u2116\u2030\u2103\u03a9\u0394\u00bd\u00a0\u3000"
    "\uff05\uff08\uff09\uff1a\uff0f\u3001\u3002\u300c\u300d\u30fb\u30fc\uff0d\u2018\u2019\u201c\u201d\u00ab\u00bb\u2460\u2461\u2462"
)
_OF_UNITS = frozenset("\u00b0\u00b2\u00b3\u20ac\u2103\uff05")
_LINES = 100  # that are looked at
_NOT_ASCII, _ENOUGH = 0x80, 4  # bytes that tell where no known word does
_SHORT = 5  # characters of a line that are too few to tell its coding
# What short lines in FALLBACK have beside ASCII: units and letters of names.
_IN_SHORT = frozenset("°µ²³€£äöüßÄÖÜéèàçñ")
_EAST_SLAVIC = frozenset(map(chr, [*range(0x410, 0x450), 0x401, 0x451, 0x406, 0x456, 0x407, 0x457]))
_MOST_MARKED = 2  # letters with marks in a word that has few others


def text_in_fallback(raw: bytes) -> str | None:
    """A line that is no UTF-8 but most likely text in FALLBACK; else None."""
    if _is_utf8(raw):
        return None
    try:
        text = raw.decode(FALLBACK).removesuffix("\r")
    except UnicodeDecodeError:
        return None
    n = sum(map(str.isascii, text))
    is_likely = text.replace("\t", "").replace("\xa0", "").isprintable() and 2 * n > len(text) and len(text) > _SHORT
    return text if is_likely or all(sign.isascii() or sign in _IN_SHORT for sign in text) else None


def coding_of(lines: Sequence[bytes]) -> str:
    """The coding of a text by some of its lines: empty for UTF-8, and where no line is likely text in any coding.

    Examples
    --------
    >>> [coding_of(["温度,日時".encode(coding)]) for coding in ("cp932", "euc_jp", "utf-8")]
    ['cp932', 'euc_jp', '']
    """
    odd = [raw for raw in lines if not _is_utf8(raw)][:_LINES]
    if not odd:
        return ""
    if all(raw.isascii() for raw in lines if _is_utf8(raw)):
        body = b"\n".join(odd)
        scores = {coding: score for coding in CODINGS if (score := _score(body, coding)) is not None}
        best = max(scores, key=lambda coding: scores[coding], default="")
        is_enough = sum(byte >= _NOT_ASCII for byte in body) >= _ENOUGH
        if best and scores[best] > (0 if is_enough else _WORTH - 1):
            return best
    return FALLBACK if any(text_in_fallback(raw) is not None for raw in odd) else ""


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _score(body: bytes, coding: str) -> float | None:
    """How much sense the words of a text make in a coding; None where it cannot be of that coding."""
    try:
        text = body.decode(coding)
    except UnicodeDecodeError:
        return None
    score = float(_WORTH * sum(not word.isascii() for word in _WORDS.findall(text)))
    for word in re.findall(r"[^\W\d_]+", text):
        if not word.isascii():
            score += _word_score(word, coding)
    is_power_first = re.search(r"[\u00b2\u00b3][^\W\d_]|(?<!\w)[\u00b2\u00b3]", text) is not None
    return score - is_power_first + sum(_sign_score(sign) for sign in text if not (sign.isascii() or sign.isalpha()))


def _sign_score(sign: str) -> float:
    """A little for what stands with numbers in tables, less than nothing for what does not."""
    if sign in _OF_UNITS:
        return 0.5
    kind = unicodedata.category(sign)[0]
    return 0 if sign in _USUAL or kind == "M" else -3 if kind == "C" else -1


def _word_score(word: str, coding: str) -> float:
    """1 for a likely word, less for an unlikely one."""
    marked = [letter for letter in word if not letter.isascii()]
    if coding in MULTIBYTE:
        # a lone one may be a letter with a mark and the one behind it
        return (len(marked) > 1) - sum(_rarity(letter.encode(coding, "replace"), coding) for letter in marked)
    if len(word) == 1:
        return 0
    scripts = {unicodedata.name(letter, "").split()[0] for letter in word if letter not in _USUAL}
    is_cased = word.islower() or word.isupper() or word[1:].islower() or word == word.swapcase()
    is_latin = scripts <= {"LATIN"}
    is_mixed = len(scripts) > 1
    n_rare = sum("\u0400" <= letter <= "\u04ff" and letter not in _EAST_SLAVIC for letter in word)
    is_crowded = is_latin and len(marked) > _MOST_MARKED and 2 * len(marked) > len(word)
    return -2 if is_mixed or is_crowded or not is_cased else 1 - n_rare / 2


def _rarity(raw: bytes, coding: str) -> float:
    """How seldom a sign of several bytes is: 0 for the usual ones of its language, 1 for what hardly anybody writes."""
    if len(raw) < 2:
        return 1
    lead, trail = raw[0], raw[1]
    if coding == "cp932":
        return 0.5 if lead >= 0x98 else 0
    if coding == "cp949":
        return 1 if trail < 0xA1 or not 0xB0 <= lead <= 0xC8 else 0
    if coding == "big5":
        return 0.5 if lead >= 0xC9 else 0
    if trail < 0xA1 or not 0xA4 <= lead <= 0xF7:
        return 1
    return 0.5 if lead >= (0xD8 if coding == "gbk" else 0xD0) else 0
