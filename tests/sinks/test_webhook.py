import json

import pytest

from streamforest.connections.outbox import DeliveryError
from tests.listeners import END, EVENT, receiver


def test_an_event_is_posted_as_json_with_a_key_that_tells_doubles(web):
    sink = receiver(f"webhook+http://127.0.0.1:{web.port}/hook/T0?x=1#token={{env:TOKEN}}", {"TOKEN": "s3cret"})
    for message in (EVENT, EVENT, END):
        sink.send(message)
    first, again, end = web.requests
    assert (first.method, first.path, first.json) == ("POST", "/hook/T0?x=1", EVENT)
    assert first.headers["Content-Type"] == "application/json"
    assert first.headers["Authorization"] == "Bearer s3cret"
    keys = [request.headers["Idempotency-Key"] for request in (first, again, end)]
    assert keys[0] == keys[1] != keys[2]


def test_a_template_makes_the_text(web, tmp_path):
    pytest.importorskip("jinja2", reason="needs streamforest/requirements/webhook.txt")
    path = tmp_path / "body.j2"
    path.write_text('{"text": {{ headline | tojson }}, "at": "{{ moment(start) }}"}', encoding="utf-8")
    receiver(f"webhook+http://127.0.0.1:{web.port}/#template={path}&type=application/x-own").send(
        EVENT | {"reason": 'a "b"'}
    )
    (request,) = web.requests
    assert json.loads(request.body) == {
        "text": 'pump.csv: a "b": 83.1, expected 41 ± 6.8',
        "at": "2024-05-01T00:00:00Z",
    }
    assert request.headers["Content-Type"] == "application/x-own"


def test_a_template_that_fails_is_told_and_one_that_cannot_be_read_or_is_wrong_is_refused(web, tmp_path):
    pytest.importorskip("jinja2", reason="needs streamforest/requirements/webhook.txt")
    address = f"webhook+http://127.0.0.1:{web.port}/#template={tmp_path / 'body.j2'}"
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        receiver(address)
    (tmp_path / "body.j2").write_text("a\n{{ b", encoding="utf-8")
    with pytest.raises(ValueError, match="is wrong in line 2"):
        receiver(address)
    for text in ("{{ nothing }}", "{{ ''.__class__.__mro__ }}"):
        (tmp_path / "body.j2").write_text(text, encoding="utf-8")
        with pytest.raises(DeliveryError, match="the template fails") as caught:
            receiver(address).send(EVENT)
        assert caught.value.is_final
    assert web.requests == []


def test_a_setting_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="tokn is no setting of webhook"):
        receiver("webhook+http://127.0.0.1/#tokn=1")
