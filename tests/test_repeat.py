import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.repeat import repeating, shown_settings, without_passwords

WORD = st.text(st.characters(blacklist_characters="@:/?&;=#", blacklist_categories=["Z", "C"]), min_size=1)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mqtt://me:secret@broker:1883/pump", "mqtt://me:***@broker:1883/pump"),
        ("postgres://:pass@db/x", "postgres://:***@db/x"),
        ("redis://me:p@ss:w@host", "redis://me:***@host"),
        ("https://me@host/x", "https://me@host/x"),
        ("https://host:8080/a@b", "https://host:8080/a@b"),
        ("https://host/x?api_key=abc&limit=5", "https://host/x?api_key=***&limit=5"),
        ("https://host/x?access_token=abc#top", "https://host/x?access_token=***#top"),
        ("failed: ws://a:b@c and http://d:e@f", "failed: ws://a:***@c and http://d:***@f"),
        ("readings.csv", "readings.csv"),
    ],
)
def test_passwords_and_tokens_in_addresses_are_left_out_and_nothing_else(text, shown):
    assert without_passwords(text) == shown


@given(user=WORD, password=WORD, host=WORD)
def test_no_password_of_an_address_is_shown(user, password, host):
    assert without_passwords(f"x://{user}:{password}@{host}/y") == f"x://{user}:***@{host}/y"


@given(st.lists(st.text(st.characters(blacklist_characters="\0:@?&;")), max_size=5))
def test_a_shell_takes_the_command_apart_into_the_words_that_were_given(words):
    assert shlex.split(repeating("python main.py", words)) == ["python", "main.py", *words]


@pytest.mark.parametrize("given_as", [["--on-anomaly", "curl secret"], ["--on-anomaly=curl secret"]])
def test_a_command_is_not_run_again_and_not_shown(given_as):
    assert repeating("python main.py", ["a b.csv", *given_as, "--delay", "0"]) == "python main.py 'a b.csv' --delay 0"
    assert repeating("python main.py", []) == "python main.py"


def test_of_a_command_the_settings_show_the_program_only():
    shown = shown_settings({"on_anomaly": "curl https://host/secret", "delay": 0.1, "source": "x://a:b@c"})
    assert shown == {"DELAY": "0.1", "ON_ANOMALY": "curl ***", "SOURCE": "x://a:***@c"}
    assert shown_settings({"on_anomaly": None}) == {"ON_ANOMALY": "None"}
    assert shown_settings({"on_anomaly": "true"}) == {"ON_ANOMALY": "true"}
