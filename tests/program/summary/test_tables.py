import re

from tests.pages import Reader, page_of, stream


def test_the_newest_episodes_are_kept_and_what_is_left_out_is_told():
    rows = stream(3000, range(10, 3000, 20))
    page = page_of(rows, most=30)
    text = " ".join(Reader(page).words)
    assert "The newest 30 of 150." in text
    body = page.partition("<h2>Episodes</h2>")[2]
    assert re.findall(r"<tr><td class=n>(\d+)</td>", body) == [str(number) for number in range(121, 151)]
