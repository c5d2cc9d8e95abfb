import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.connections.addresses import PASSWORD, USER, Address, read_address, without_passwords
from streamforest.protocols import SourceError

SECRET = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/?#"))
NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/?#:"))


def test_an_address_is_taken_apart():
    assert read_address("mqtt://ann:a%40b@Host:1/a/b#?", 1883, {}) == Address("mqtt", "host", 1, "a/b#?", "ann", "a@b")
    assert read_address("mqtt://host/a", 1883, {}) == Address("mqtt", "host", 1883, "a", None, None)


def test_an_ipv6_address_is_written_with_brackets():
    address = read_address("mqtt://[::1]:2/a", 1883, {})
    assert (address.host, address.place) == ("::1", "[::1]:2")


def test_user_and_password_come_from_the_environment_where_the_address_has_none():
    environment = {USER: "eve", PASSWORD: "x"}
    assert read_address("mqtt://host/a", 1, environment)[-2:] == ("eve", "x")
    assert read_address("mqtt://ann@host/a", 1, environment)[-2:] == ("ann", "x")
    assert read_address("mqtt://ann:y@host/a", 1, environment)[-2:] == ("ann", "y")


@pytest.mark.parametrize(
    "word",
    ["mqtt:///a", "mqtt://", "mqtt://u:secret@/a", "mqtt://host:0/a", "mqtt://host:70000/a", "mqtt://u:secret/x@h/a"],
)
def test_a_wrong_address_is_an_error_that_shows_no_part_of_it(word):
    with pytest.raises(SourceError, match=r"^mqtt: ") as caught:
        read_address(word, 1883, {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mqtt://me:secret@broker:1883/pump", "mqtt://***@broker:1883/pump"),
        ("postgres://:pass@db/x", "postgres://***@db/x"),
        ("redis://me:p@ss:w@host", "redis://***@host"),
        ("https://me@host/x", "https://***@host/x"),
        ("https://host:8080/a@b", "https://host:8080/a@b"),
        ("https://host/x?api_key=abc&limit=5", "https://host/x?api_key=***&limit=5"),
        ("https://host/x?access_token=abc#top", "https://host/x?access_token=***#top"),
        ("failed: ws://a:b@c and http://d:e@f", "failed: ws://***@c and http://***@f"),
        ("readings.csv", "readings.csv"),
    ],
)
def test_users_passwords_and_tokens_in_addresses_are_left_out_and_nothing_else(text, shown):
    assert without_passwords(text) == shown


@given(NAME, SECRET, st.sampled_from(["mqtt://{}host/a/#", "prometheus:https://{}host:1/x?query=up"]))
def test_no_password_is_left_in_a_text(user, password, form):
    assert without_passwords(form.format(f"{user}:{password}@")) == form.format("***@")


@pytest.mark.parametrize("text", ["mqtt://host/a@b", "prometheus:http://host?query=up @ 1", "price:AAPL", "a/b@c"])
def test_a_text_without_a_password_is_left_as_it_is(text):
    assert without_passwords(text) == text
