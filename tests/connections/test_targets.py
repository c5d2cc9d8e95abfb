from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.connections.targets import read_target, shown_target


def test_an_address_is_taken_apart():
    target = read_target("Alertmanager+HTTP://me:p%40ss@[::1]:9093/am?x=1#team=ops&token=a%26b", {})
    assert (target.kind, target.scheme, target.host, target.port) == ("alertmanager", "http", "::1", 9093)
    assert (target.path, target.query, target.user, target.password) == ("/am", "x=1", "me", "p@ss")
    assert target.settings == {"team": "ops", "token": "a&b"}
    assert target.name == "alertmanager://[::1]:9093"
    assert target.url() == "http://[::1]:9093/am?x=1"
    assert target.url("/api") == "http://[::1]:9093/am/api"
    plain = read_target("ntfy://ntfy.sh/topic", {})
    assert (plain.kind, plain.scheme, plain.port, plain.url()) == ("ntfy", "ntfy", None, "https://ntfy.sh/topic")


def test_secrets_come_from_the_environment_or_a_file_and_are_never_shown(tmp_path):
    (tmp_path / "key").write_text("from-file\n", encoding="utf-8")
    word = f"slack+https://u:{{env:P}}@hooks.example.org/services/{{env:HOOK}}#token={{file:{tmp_path / 'key'}}}"
    target = read_target(word, {"P": "p#1/?@x", "HOOK": "T0/B0/k3y"})
    assert (target.password, target.settings["token"]) == ("p#1/?@x", "from-file")
    assert target.url() == "https://hooks.example.org/services/T0/B0/k3y"
    text = "no p#1/?@x, from-file or T0/B0/k3y"
    assert target.hide(text) == "no ***, *** or ***"
    assert not any(secret in target.name + shown_target(word) for secret in target.secrets)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("nowhere", "an address is KIND://HOST"),
        ("webhook+http:///path", "no host"),
        ("webhook+http://h:0x/", "port must be a number"),
        ("webhook+http://h:99999/", "port must be a number"),
        ("webhook+http://h/{env:NOT_THERE}", "environment variable NOT_THERE is not set"),
        ("webhook+http://h/#token={file:/no/such}", "file /no/such cannot be read: No such file"),
    ],
)
def test_a_wrong_address_is_refused_in_words(word, message):
    with pytest.raises(ValueError, match=message):
        read_target(word, {})


def test_an_unknown_setting_is_named_with_those_that_there_are():
    with pytest.raises(ValueError, match="colour is no setting of ntfy; behind # may stand token, priority"):
        read_target("ntfy://h/t#colour=red", {}).check_settings("token", "priority")


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=4))
def test_any_secret_in_an_address_comes_out_as_it_went_in_and_nothing_shows_it(secret):
    word = "webhook+http://u:{env:S}@example.org:80/a#token={env:S}"
    target = read_target(word, {"S": secret})
    assert target.settings["token"] == target.password == secret
    assert secret not in target.hide(f"x{secret}y") or secret in "x***y"


@given(st.text())
def test_any_text_is_an_address_or_refused_without_a_secret(text):
    with suppress(ValueError):
        read_target(text, {})
    assert "secret" not in shown_target(f"webhook+http://me:secret@h/{text}secret")
