import http.client
import socket
import threading
import urllib.error
import urllib.request
from contextlib import suppress

import pytest

from streamforest.connections import web
from streamforest.connections.deadline import Deadline
from streamforest.connections.outbox import DeliveryError
from streamforest.connections.targets import read_target
from streamforest.sinks import mail
from tests.listeners import EVENT, receiver

HEAD = b"HTTP/1.1 200 OK\r\n"
HANDSHAKE = b"\x16\x03\x03\x40\x00"  # of 16 KB that never come
FAULT = b"HTTP/1.1 503 Busy\r\nContent-Length: 1000000\r\n\r\n"


@pytest.fixture
def slow():
    """A server that sends a first piece, and then a byte again and again, far more often than a socket waits."""
    listener, over, firsts = socket.create_server(("127.0.0.1", 0)), threading.Event(), []

    def serve():
        while not over.is_set():
            with suppress(OSError):
                link, _ = listener.accept()
                with link:
                    link.settimeout(0.1)  # who waits for the server's first words asks for nothing
                    with suppress(TimeoutError):
                        link.recv(65536)
                    link.sendall(firsts[0])
                    for _ in range(500):  # ten seconds
                        if not over.wait(0.02):
                            link.sendall(b"x")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def place(first):
        firsts[:] = [first]
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield place
    over.set()
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(20)


@pytest.mark.parametrize("first", [HEAD, HEAD + b"Content-Length: 1000000\r\n\r\n", FAULT])
def test_a_server_that_sends_a_byte_now_and_then_is_left(slow, first):
    deadline = Deadline(0.3)
    opener = urllib.request.build_opener(*deadline.handlers())
    with deadline, suppress(OSError, http.client.HTTPException):
        try:
            opener.open(f"http://{slow(first)}/", timeout=20).read()
        except urllib.error.HTTPError as error:
            error.read()
    assert deadline.is_over


@pytest.mark.parametrize("first", [HEAD, HEAD + b"Content-Length: 1000000\r\n\r\n"])
def test_a_receiver_of_messages_has_no_more_time_for_all_of_its_answer(slow, first, monkeypatch):
    monkeypatch.setattr(web, "TIMEOUT", 0.3)
    target = read_target(f"webhook+http://{slow(first)}/", {})
    with pytest.raises(DeliveryError, match=r"no answer within 0\.3 s"):
        web.request(target, target.url(), b"{}")


def test_the_text_of_an_error_has_no_more_time_either(slow, monkeypatch):
    monkeypatch.setattr(web, "TIMEOUT", 0.3)
    target = read_target(f"webhook+http://{slow(FAULT)}/", {})
    with pytest.raises(DeliveryError, match=r"the server says 503 Busy|no answer within"):
        web.request(target, target.url(), b"{}")


def test_nor_has_one_that_begins_to_be_encrypted(slow, monkeypatch):
    monkeypatch.setattr(web, "TIMEOUT", 0.3)
    target = read_target(f"webhook+https://{slow(HANDSHAKE)}/", {})
    with pytest.raises(DeliveryError, match=r"no answer within 0\.3 s"):
        web.request(target, target.url(), b"{}")


@pytest.mark.parametrize(("scheme", "first"), [("smtp", b""), ("smtp", b"220 there\r\n"), ("smtps", HANDSHAKE)])
def test_a_mail_server_has_no_more_time_for_all_of_its_answers(slow, scheme, first, monkeypatch):
    monkeypatch.setattr(mail, "TIMEOUT", 0.3)
    with pytest.raises(DeliveryError, match=r"no answer within 0\.3 s"):
        receiver(f"{scheme}://{slow(first)}/you@example.org").send(EVENT)
