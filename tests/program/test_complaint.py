import pytest

import main
from streamforest.program.complaint import complain


def test_it_is_one_line_without_what_must_not_be_shown(capsys):
    complain("main.py", ValueError("BASE_URL is 'ftp://ann:secret@example.org/x'\n"))
    assert capsys.readouterr().err == "main.py: BASE_URL is 'ftp://***@example.org/x'\\n\n"


@pytest.mark.parametrize(
    "words",
    [
        ("in.txt", "--base-url", "ftp://ann:secret@example.org/"),
        ("sqlite:http://ann:secret@example.org/x?select 1",),
        ("mqtt://ann:secret@example.org/x", "--follow"),
        ("mqtt://ann:secret@example.org/x", "--key-column", "a", "--detector", "z-score"),
        ("prometheus:http://ann:secret@example.org:99999?query=up",),
        ("detect-limits", "mqtt://ann:secret@example.org/x"),
        ("replay", "http://ann:secret@example.org/x.zip"),
    ],
)
def test_no_wrong_use_shows_a_user_or_a_password(capsys, words):
    assert main.main([*words, "--no-visualization"] if words[0] not in ("detect-limits", "replay") else words) in (1, 2)
    said = capsys.readouterr()
    assert said.err
    assert "secret" not in said.err + said.out
    assert "ann" not in said.err
