import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.program.repeat import repeating, shown_settings


@given(st.lists(st.text(st.characters(blacklist_characters="\0:@?&;")), max_size=5))
def test_a_shell_takes_the_command_apart_into_the_words_that_were_given(words):
    assert shlex.split(repeating("python main.py", words)) == ["python", "main.py", *words]


@pytest.mark.parametrize("given_as", [["--on-anomaly", "curl secret"], ["--on-anomaly=curl secret"]])
def test_a_command_is_not_run_again_and_not_shown(given_as):
    assert repeating("python main.py", ["a b.csv", *given_as, "--delay", "0"]) == "python main.py 'a b.csv' --delay 0"
    assert repeating("python main.py", []) == "python main.py"


def test_of_a_command_the_settings_show_the_program_only():
    shown = shown_settings({"on_anomaly": "curl https://host/secret", "delay": 0.1, "source": "x://a:b@c"})
    assert shown == {"DELAY": "0.1", "ON_ANOMALY": "curl ***", "SOURCE": "x://***@c"}
    assert shown_settings({"on_anomaly": None}) == {"ON_ANOMALY": "None"}
    assert shown_settings({"on_anomaly": "true"}) == {"ON_ANOMALY": "true"}


def test_addresses_that_are_told_are_not_told_again_and_shown_without_what_may_be_a_secret():
    words = ["a.csv", "--tell", "slack+https://h/T0/secret", "--tell=ntfy://u:secret@n/secret", "--delay", "0"]
    assert repeating("python main.py", words) == "python main.py a.csv --delay 0"
    shown = shown_settings({"tell": ("slack+https://h/T0/secret", "ntfy://u:secret@n/secret#token=secret")})
    assert shown == {"TELL": "slack+https://h, ntfy://n"}
