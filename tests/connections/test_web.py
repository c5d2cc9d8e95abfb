import pytest

from streamforest.connections.outbox import DeliveryError
from streamforest.connections.targets import read_target
from streamforest.connections.web import request, request_json
from tests.listeners import Listener
from tests.servers import free_port


@pytest.fixture
def web():
    listener = Listener()
    yield listener
    listener.close()


def target_of(web, settings="#token=s3cret"):
    return read_target(f"webhook+http://127.0.0.1:{web.port}/x{settings}", {})


def test_json_goes_there_and_comes_back(web):
    web.answer = lambda _: (201, b'{"id": 7}', {})
    target = target_of(web)
    assert request_json(target, target.url(), {"a": 1}) == {"id": 7}
    web.answer = lambda _: (200, b"ok", {})
    assert request_json(target, target.url(), None) is None
    post, get = web.requests
    assert (post.method, post.json, get.method, get.body) == ("POST", {"a": 1}, "GET", b"")
    assert post.headers["User-Agent"].startswith("streamforest/")
    assert "Content-Type" not in get.headers


@pytest.mark.parametrize(
    ("status", "is_final"),
    [(400, True), (422, True), (302, True), (401, False), (404, False), (429, False), (503, False)],
)
def test_a_refusal_for_good_is_told_from_one_for_now_and_a_pause_that_is_asked_for_is_kept(web, status, is_final):
    headers = {"Retry-After": "17", "Location": f"http://127.0.0.1:{web.port}/elsewhere"}
    web.answer = lambda _: (status, b"no \x1b[31ms3cret", headers)
    with pytest.raises(DeliveryError, match=rf"the server says {status} .*no \\x1b\[31m\*\*\*") as caught:
        request(target_of(web), f"http://127.0.0.1:{web.port}/x", b"{}")
    assert (caught.value.is_final, caught.value.pause) == (is_final, 17.0)
    assert [one.path for one in web.requests] == ["/x"], "it is not sent elsewhere"


def test_who_does_not_answer_is_no_final_fault():
    port = free_port()
    target = read_target(f"webhook+http://127.0.0.1:{port}/x", {})
    with pytest.raises(DeliveryError, match="refused") as caught:
        request(target, target.url(), b"{}")
    assert not caught.value.is_final
