import ssl
import subprocess
from email import message_from_bytes, policy

import pytest

from streamforest.connections.outbox import DeliveryError
from tests.listeners import END, EVENT, TOGETHER, TOGETHER_END, receiver
from tests.servers import free_port

pytest.importorskip("aiosmtpd", reason="needs tests/optional-requirements.txt")

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Box:
    """Takes mails, or answers as it is told to."""

    def __init__(self, answer="250 OK"):
        self.mails, self.answer = [], answer

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - the name is aiosmtpd's
        self.mails.append(envelope)
        return self.answer


@pytest.fixture
def serve():
    """Start a mail server on the loopback; returns its box and port."""
    started = []

    def serve(answer="250 OK", **options):
        box = Box(answer)
        controller = Controller(box, hostname="127.0.0.1", port=free_port(), **options)
        controller.start()
        started.append(controller)
        return box, controller.port

    yield serve
    for controller in started:
        controller.stop()


def subject_of(envelope):
    return message_from_bytes(envelope.content, policy=policy.default)["Subject"]


def text_of(envelope):
    return envelope.content.decode().replace("\r\n", "\n")


def test_an_incident_is_a_mail_with_its_streams(serve):
    box, port = serve()
    receiver(f"smtp://127.0.0.1:{port}/you@example.org").send(TOGETHER)
    text = text_of(box.mails[0])
    assert "Message-ID: <fedcba9876543210.incident@streamforest.invalid>" in text
    assert "Subject: fleet.csv: incident: 22 streams, first s7" in text
    assert "streams: s7, s0, s1, " in text
    receiver(f"smtp://127.0.0.1:{port}/you@example.org").send(TOGETHER_END)
    text = text_of(box.mails[1])
    assert "Subject: Re: fleet.csv: incident: over: 22 streams" in text
    assert "In-Reply-To: <fedcba9876543210.incident@streamforest.invalid>" in text
    assert "\nstart: 2024-05-01T00:00:00Z\nend: 2024-05-01T00:30:00Z\n" in text


def test_the_mails_of_an_episode_are_one_conversation(serve):
    box, port = serve()
    sink = receiver(f"smtp://127.0.0.1:{port}/you@example.org,me@example.org#from=stream@example.org")
    for message in (EVENT, EVENT, END):
        sink.send(message)
    first, again, end = map(text_of, box.mails)
    assert box.mails[0].rcpt_tos == ["you@example.org", "me@example.org"]
    assert box.mails[0].mail_from == "stream@example.org"
    assert subject_of(box.mails[0]) == "pump.csv: spike: 83.1, expected 41 ± 6.8"
    assert "Message-ID: <0123456789abcdef.start@streamforest.invalid>\n" in first
    assert "start: 2024-05-01T00:00:00Z\n" in first
    assert first.partition("Date:")[0] == again.partition("Date:")[0]
    assert "In-Reply-To: <0123456789abcdef.start@streamforest.invalid>\n" in end
    assert "Subject: Re: pump.csv: over after 4 points" in end


def test_what_comes_from_a_source_forges_no_header(serve):
    box, port = serve()
    receiver(f"smtp://127.0.0.1:{port}/you@example.org").send(EVENT | {"key": "a\r\nBcc: all@example.org"})
    assert r"a\r\nBcc: all@example.org" in text_of(box.mails[0]).replace("\n ", " ")
    assert box.mails[0].rcpt_tos == ["you@example.org"]


def test_a_password_is_never_sent_without_encryption_unless_that_is_asked_for(serve, tmp_path, monkeypatch):
    def check(_server, _session, _envelope, _mechanism, data):
        return AuthResult(success=data.password == b"s3cret", handled=False)

    box, port = serve(authenticator=check, auth_require_tls=False)
    with pytest.raises(DeliveryError, match="offers no encryption"):
        receiver(f"smtp://me:{{env:P}}@127.0.0.1:{port}/you@example.org", {"P": "s3cret"}).send(EVENT)
    receiver(f"smtp://me:{{env:P}}@127.0.0.1:{port}/you@example.org#tls=off", {"P": "s3cret"}).send(EVENT)
    with pytest.raises(DeliveryError, match="refuses user or password: 535") as caught:
        receiver(f"smtp://me:wrong-one@127.0.0.1:{port}/you@example.org#tls=off").send(EVENT)
    assert not caught.value.is_final
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = [
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout",
        tmp_path / "key",
        "-out",
        tmp_path / "cert",
    ]
    subprocess.run([*words, *files], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    secure, port = serve(authenticator=check, tls_context=context)
    address = f"smtp://me:{{env:P}}@127.0.0.1:{port}/you@example.org"
    with pytest.raises(DeliveryError, match="certificate is not trusted"):
        receiver(address, {"P": "s3cret"}).send(EVENT)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
    receiver(address, {"P": "s3cret"}).send(EVENT)
    assert (len(box.mails), len(secure.mails)) == (1, 1)


@pytest.mark.parametrize(("answer", "is_final"), [("554 spam", True), ("451 later", False)])
def test_a_refusal_for_good_is_told_from_one_for_now(serve, answer, is_final):
    _, port = serve(answer)
    with pytest.raises(DeliveryError, match=answer) as caught:
        receiver(f"smtp://127.0.0.1:{port}/you@example.org").send(EVENT)
    assert caught.value.is_final == is_final


def test_a_server_that_is_not_there_is_no_final_fault():
    with pytest.raises(DeliveryError, match="refused") as caught:
        receiver(f"smtp://127.0.0.1:{free_port()}/you@example.org").send(EVENT)
    assert not caught.value.is_final


@pytest.mark.parametrize(
    "word", ["smtp://m.example.org", "smtp://m.example.org/you", "smtp://m.example.org/a@b#tls=no"]
)
def test_an_address_without_receivers_or_with_a_wrong_setting_is_refused(word):
    with pytest.raises(ValueError, match=r"addresses behind|tls is"):
        receiver(word)
