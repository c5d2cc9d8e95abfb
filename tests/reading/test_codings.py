import pytest

from streamforest.reading.codings import CODINGS, FALLBACK, coding_of, text_in_fallback


@pytest.mark.parametrize("text", ["Zeit;Temperatur \u00b0C", "5\u20ac", "\u00fc"])
def test_lines_in_windows_1252_are_known_by_what_is_usual_in_them(text):
    assert text_in_fallback(text.encode(FALLBACK)) == text
    assert coding_of([text.encode(FALLBACK)]) == FALLBACK


@pytest.mark.parametrize("raw", [b"5\xff\x81", b"\xfe\xff\x00\x01\x02\xfe", b"\xff\xfe", "\u00b0C 5".encode(), b"5"])
def test_rubbish_and_utf_8_are_none(raw):
    assert text_in_fallback(raw) is None
    assert coding_of([raw]) == ""


HEADERS = [
    ("cp932", "日時,温度(℃),湿度(%)"),
    ("cp932", "発電量(kWh),日射強度,外気温"),
    ("euc_jp", "時刻,気温"),
    ("gbk", "站点,风速,气压"),
    ("gbk", "采样时间,流速(m/s)"),
    ("gbk", "日期,数值\n2024年3月5日 10时0分,5"),
    ("cp949", "2024년 3월 5일,5"),
    ("big5", "測站,氣溫,雨量"),
    ("cp949", "관측소,강수량(mm),풍속(m/s)"),
    ("cp1251", "Дата и время;Значение;Ед. изм."),
    ("cp1251", "Показания счётчика, кВт·ч"),
    ("koi8_r", "Дата;Приход;Расход"),
    ("cp866", "Дата;Приход;Расход"),
    ("cp1253", "Ημερομηνία,Θερμοκρασία"),
    ("cp1255", "תאריך,טמפרטורה"),
    ("cp1256", "التاريخ,القيمة"),
    ("cp874", "วันที่,อุณหภูมิ"),
    ("cp1250", "Data;Godzina;Napięcie"),
    ("cp1254", "Tarih,S\u0131cakl\u0131k,Değer"),
    ("mac_roman", "Date,Température (°C),Humidité"),
    ("cp850", "Datum,Außentemperatur °C"),
    ("cp1252", "Leistungsfähigkeit über Ø 5 µm"),
    ("cp1252", "Tømmerpris,Måned,År"),
    ("cp1252", "Date;Débit m³/s;°C"),
]


@pytest.mark.parametrize(("coding", "header"), HEADERS, ids=[f"{coding} {header[:6]}" for coding, header in HEADERS])
def test_the_words_of_a_header_tell_its_coding(coding, header):
    assert coding in CODINGS
    assert header.encode(coding).decode(coding_of([header.encode(coding), b"2024-03-01,5"])) == header
