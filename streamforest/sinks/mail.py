"""Mail by SMTP: one at an episode's start, further ones as answers to it."""

from __future__ import annotations

import smtplib
import socket
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

from streamforest.connections.deadline import Deadline
from streamforest.connections.outbox import DeliveryError, Message
from streamforest.connections.targets import Target
from streamforest.text import escaped
from streamforest.verdicts.life import INCIDENT, INCIDENT_END, headline, moment, streams_text
from streamforest.wording import p_text, spread_text

PORTS = {"smtp": 587, "smtps": 465}
#: Seconds that a mail may take, with all that the server answers.
TIMEOUT = 10.0
#: Ways to be encrypted, for ``smtp``: always, never, or if the server offers it.
TLS = ("required", "off", "offered")


class _Connection(smtplib.SMTP):
    """Ends with a deadline, which the server's first words have too: they are read where it is made."""

    def __init__(self, deadline: Deadline, host: str, port: int, **options: Any) -> None:
        self._deadline = deadline
        super().__init__(host, port, **options)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        opened: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc] # what SMTP_SSL has too
        self._deadline.note(opened)
        return opened


class _SecureConnection(_Connection, smtplib.SMTP_SSL):
    """The same, encrypted from the first byte."""


class MailReceiver:
    """Sends each event as a mail; those of one episode are one conversation.

    Parameters
    ----------
    target : Target
        ``smtp://[USER:PASSWORD@]HOST[:PORT]/TO[,TO...]``, or ``smtps://``; settings: ``from``, and ``tls``, one of TLS,
        ``required`` where there is a password and ``offered`` where there is none.

    Raises
    ------
    ValueError
        There is nobody to send it to, or a setting is wrong.
    """

    repeat = 0.0
    values_every = 0.0

    def __init__(self, target: Target) -> None:
        target.check_settings("from", "tls")
        self._to = [address for address in unquote(target.path.strip("/")).split(",") if address]
        if not self._to or not all("@" in address and address.isprintable() for address in self._to):
            raise ValueError("there must be addresses behind the host: smtp://HOST/you@example.org")
        self._tls = target.settings.get("tls", "offered" if target.password is None else "required")
        if self._tls not in TLS:
            raise ValueError(f"tls is {self._tls!r}; it must be {', '.join(TLS)}")
        self._from = target.settings.get("from", self._to[0])
        self._target = target

    def send(self, message: Message) -> None:
        """Deliver an event; raises DeliveryError."""
        deadline = Deadline(TIMEOUT)
        try:
            self._send(message, deadline)
        except DeliveryError:
            if deadline.is_over:
                raise DeliveryError(f"no answer within {TIMEOUT:g} s") from None
            raise

    def _send(self, message: Message, deadline: Deadline) -> None:
        try:
            with deadline, self._server(deadline) as server:
                refused = server.send_message(self._mail(message))
        except smtplib.SMTPRecipientsRefused as error:
            raise self._fault("nobody is accepted", max(code for code, _ in error.recipients.values())) from None
        except smtplib.SMTPAuthenticationError as error:
            raise DeliveryError(f"the server refuses user or password: {error.smtp_code}") from None
        except smtplib.SMTPResponseException as error:
            said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else ""
            raise self._fault(f"the server says {error.smtp_code} {said}", error.smtp_code) from None
        except ssl.SSLCertVerificationError as error:
            raise DeliveryError(f"the server's certificate is not trusted: {error.verify_message}") from None
        except (OSError, smtplib.SMTPException) as error:
            why = getattr(error, "strerror", None) or error or type(error).__name__
            raise DeliveryError(self._target.hide(escaped(str(why)))) from None
        if refused:
            raise DeliveryError(f"the server does not accept {', '.join(refused)}", is_final=True)

    def show(self, verdict: Message) -> None:
        """No values are wanted."""

    def close(self) -> None:
        """Nothing is held."""

    def _fault(self, why: str, code: int) -> DeliveryError:
        return DeliveryError(self._target.hide(escaped(why)), is_final=code >= 500)

    def _server(self, deadline: Deadline) -> smtplib.SMTP:
        target = self._target
        place = target.host, target.port or PORTS[target.scheme]
        context = ssl.create_default_context()
        if target.scheme == "smtps":
            server: smtplib.SMTP = _SecureConnection(deadline, *place, timeout=TIMEOUT, context=context)
        else:
            server = _Connection(deadline, *place, timeout=TIMEOUT)
        try:
            server.ehlo_or_helo_if_needed()
            if target.scheme == "smtp" and self._tls != "off" and server.has_extn("starttls"):
                server.starttls(context=context)
                if server.sock is not None:
                    deadline.note(server.sock)
                server.ehlo()
            elif target.scheme == "smtp" and self._tls == "required":
                raise DeliveryError("the server offers no encryption; tls=off behind # does without")
            if target.user is not None:
                server.login(target.user, target.password or "")
        except BaseException:
            server.close()
            raise
        return server

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"] = self._from, ", ".join(self._to)
        begins = {"start": "start", INCIDENT: INCIDENT, INCIDENT_END: INCIDENT}.get(message["event"], "start")
        is_answer = message["event"] != begins
        mail["Subject"] = ("Re: " if is_answer else "") + headline(message)
        mail["Date"] = formatdate()
        first = f"<{message['id']}.{begins}@streamforest.invalid>"
        if not is_answer:
            mail["Message-ID"] = first
        else:
            number = f".{message['points']}" if "points" in message else ""
            mail["Message-ID"] = f"<{message['id']}.{message['event']}{number}@streamforest.invalid>"
            mail["In-Reply-To"] = mail["References"] = first
        facts = message | {
            "deviation": spread_text(message.get("deviation")),
            "p_value": p_text(message.get("p_value")),
        }
        names = ("source", "key", "points", "deviation", "p_value", "id", "page")
        lines = [f"{name}: {escaped(str(facts[name]))}" for name in names if message.get(name) is not None]
        lines += [f"streams: {escaped(streams_text(message))}"] if streams_text(message) else []
        dated = [(name, message[name]) for name in ("start", "peak", "end") if message.get(name) is not None]
        times = [f"{name}: {moment(seconds)}" for name, seconds in dated]
        mail.set_content("\n".join([escaped(headline(message)), "", *times, *lines, ""]))
        return mail
