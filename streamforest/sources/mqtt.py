"""An MQTT server's messages: each a number, a CSV row or a JSON object."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import unquote

from streamforest.connections.addresses import read_address
from streamforest.connections.reconnecting import FIRST_LIMIT, PATIENCE, Connection, Inbox, Silence
from streamforest.optional import optional
from streamforest.protocols import Reading, Refusal, SourceError, Stop
from streamforest.reading.column_layout import ANY_COLUMNS, ANY_DIALECT, Asked, Dialect
from streamforest.reading.line_reader import LIMIT
from streamforest.reading.payloads import PayloadReader

PORTS = {"mqtt": 1883, "mqtts": 8883}
#: Seconds between signs of life on an idle connection; one that is dead is noticed after up to 1.5 times this.
KEEP_ALIVE = 20
#: Bytes of a message that are kept, with its topic and what stands around both. A server that speaks MQTT 5 is asked to
#: send no longer one; of what another one sends the beginning is kept.
MOST_BYTES = LIMIT + 2**17

# Reason codes of MQTT 5, which the client gives for 3.1.1 too, that another attempt will not change.
_REFUSED_FOR_GOOD = {133, 134, 135, 138, 140}
_UNSUPPORTED_VERSION = 132


class MqttSource:
    """The messages of a topic or of all that match a topic filter, as they come.

    A retained message is left out: it is older than the subscription, by an unknown time, and comes again with every
    connection. Where messages hold no time, it is the time of their arrival.

    Parameters
    ----------
    word : str
        ``mqtt://[user[:password]@]host[:port]/topic``, or ``mqtts://`` for TLS. The topic may have the wildcards
        ``+`` and ``#``; other signs may be written as ``%XX``.
    notify : callable
        Takes a line for people; called from a thread of the client's own too.
    asked, dialect
        As in :class:`~streamforest.reading.line_reader.RowReader`.

    Raises
    ------
    SourceError
        The address or the topic is wrong.
    MissingPackageError
        paho-mqtt is not installed.
    """

    live = True

    def __init__(
        self,
        word: str,
        notify: Callable[[str], None],
        asked: Asked = ANY_COLUMNS,
        dialect: Dialect = ANY_DIALECT,
    ) -> None:
        self._address = read_address(word, PORTS[word.partition(":")[0]])
        self._topic = unquote(self._address.rest)
        self.name = f"{self._address.scheme}://{self._address.place}/{self._topic}"
        _check_topic(self._topic, self._address.scheme)
        self._paho = optional("paho.mqtt.client", "mqtt")
        self._payloads = PayloadReader(self.name, asked, dialect)
        self.reader = self._payloads.reader
        self._is_one_stream = asked.key_column is None  # no stream of many is known to be silent
        self._notify = notify
        self._inbox = Inbox(self.name, notify)
        self._connection = Connection(self.name, notify)
        self._closed = threading.Event()
        self._speaks_5 = True  # the server, until it says that it does not

    def describe(self) -> str:
        """The topic, the value column and the columns there are, in words."""
        return f"topic {self._topic}: {self._payloads.describe()}"

    def read(self, stop: Stop, most: int) -> Iterator[list[Reading | Refusal]]:
        """Yield what has come, in blocks of at most ``most``, and missing readings where nothing comes for long.

        Raises
        ------
        SourceError
            There was no connection within FIRST_LIMIT, the server refuses user or topic, or the value column
            cannot be told.
        """
        self._connection = Connection(self.name, self._notify)
        silence = Silence(self.name, self._notify, is_judged=self._is_one_stream)
        threading.Thread(target=self._keep_connected, daemon=True).start()
        count = 0
        while not stop.requested:
            items: list[Reading | Refusal] = []
            for topic, payload, arrival in self._inbox.take(most, PATIENCE):
                count += 1
                items += self._payloads.read(payload, f"message {count} of {topic}", arrival)
            if items:
                silence.arrived()
            elif self._connection.was_made and silence.is_gap():
                last = self._payloads.last_time
                items.append(Reading(None, time.time() if last is None else last))
            for start in range(0, len(items), most):
                yield items[start : start + most]

    def close(self) -> None:
        """Let the client's thread end."""
        self._closed.set()

    def _keep_connected(self) -> None:
        try:
            while not self._closed.is_set():
                why = self._serve()
                if self._closed.is_set():
                    return
                self._closed.wait(self._connection.failed(why))
        except SourceError as error:
            self._inbox.fail(error)

    def _serve(self) -> str:
        """Connect, subscribe and take messages until that ends, by MQTT 5 or else 3.1.1; returns why it ended."""
        call = _Call(self._topic, self._inbox, self._connection)
        if self._speaks_5:
            why = self._serve_by(self._client(call, self._paho.MQTTv5), call, properties=self._limits())
            if not call.is_declined:
                return why
            call = _Call(self._topic, self._inbox, self._connection)
        why = self._serve_by(self._client(call, self._paho.MQTTv311), call)
        self._speaks_5 = self._speaks_5 and call.is_declined
        return why

    def _limits(self) -> Any:
        """What a server is asked to keep to, by MQTT 5."""
        properties = optional("paho.mqtt.properties", "mqtt")
        limits = properties.Properties(properties.PacketTypes.CONNECT)
        limits.MaximumPacketSize = MOST_BYTES
        return limits

    def _serve_by(self, client: Any, call: _Call, **limits: Any) -> str:
        """The same by one version of the protocol."""
        began = time.monotonic()
        try:
            client.connect(self._address.host, self._address.port, KEEP_ALIVE, **limits)
            code = 0
            while not (code or call.ended or self._closed.is_set()):
                code = client.loop(PATIENCE)
                if not call.is_up and time.monotonic() - began > FIRST_LIMIT:
                    return f"the server gave no answer within {FIRST_LIMIT:.0f} s"
            client.disconnect()
        except ssl.SSLCertVerificationError as error:
            why = f"the server's certificate is not trusted: {error.verify_message}"
            call.fault = why + "; to trust it, name a file of certificates in the environment variable SSL_CERT_FILE"
        except (OSError, ValueError) as error:
            return str(getattr(error, "strerror", None) or error)
        call.is_declined = not call.is_answered
        if call.fault and not self._connection.was_made:
            raise SourceError(f"{self.name}: {call.fault}")
        return call.fault or call.ended or "the server closed the connection or does not answer"

    def _client(self, call: _Call, version: int) -> Any:
        client = _bounded(self._paho.Client)(self._paho.CallbackAPIVersion.VERSION2, protocol=version)
        client.connect_timeout = FIRST_LIMIT
        if self._address.user is not None:
            client.username_pw_set(self._address.user, self._address.password)
        if self._address.scheme == "mqtts":
            client.tls_set_context(ssl.create_default_context())
        client.on_connect = call.on_connect
        client.on_subscribe = call.on_subscribe
        client.on_message = call.on_message
        return client


class _Beginning(bytearray):
    """The first MOST_BYTES that are added to it; of the rest nothing is kept."""

    def __iadd__(self, data: Any) -> _Beginning:  # type: ignore[misc] # it adds less than it is given
        self.extend(data[: max(0, MOST_BYTES - len(self))])
        return self


@cache
def _bounded(kind: type[Any]) -> type[Any]:
    """The client's class with a limit on the memory that one message takes while it comes in, whatever its length.

    The client knows none: it asks the system for all that is left of a message at once, and keeps it.
    """

    class Bounded(kind):  # type: ignore[misc] # it is made at run time
        def _sock_recv(self, bufsize: int) -> bytes:
            return bytes(super()._sock_recv(min(bufsize, LIMIT)))

        def _packet_read(self) -> Any:
            if type(self._in_packet["packet"]) is bytearray and not self._in_packet["packet"]:
                self._in_packet["packet"] = _Beginning()
            return super()._packet_read()

    return Bounded


class _Call:
    """One connection: what the client tells of it."""

    def __init__(self, topic: str, inbox: Inbox, connection: Connection) -> None:
        self.is_answered = False  # by a server that speaks this version of the protocol
        self.is_declined = False  # by one that closed the connection before that
        self.is_up = False
        self.ended = ""  # why, once it has
        self.fault = ""  # why, where another attempt will not help
        self._topic = topic
        self._inbox = inbox
        self._connection = connection

    def on_connect(self, client: Any, _userdata: object, _flags: object, code: Any, _properties: object) -> None:
        self.is_answered = code.value != _UNSUPPORTED_VERSION
        if code.is_failure:
            self.ended = f"the server refuses the connection: {code}"
            if code.value in _REFUSED_FOR_GOOD:
                self.fault = self.ended
        else:
            client.subscribe(self._topic, 1)

    def on_subscribe(self, _client: Any, _userdata: object, _mid: int, codes: list[Any], _properties: object) -> None:
        if any(code.is_failure for code in codes):
            self.ended = self.fault = f"the server does not allow to subscribe to {self._topic}: {codes[0]}"
        else:
            self.is_up = True
            self._connection.worked()

    def on_message(self, _client: Any, _userdata: object, message: Any) -> None:
        if not message.retain:
            # one that is too long is refused by its length alone: its end is not needed
            self._inbox.put(message.topic, message.payload[: LIMIT + 1], time.time())


def _check_topic(topic: str, scheme: str) -> None:
    """Complain of a topic filter that the protocol does not allow."""
    levels = topic.split("/")
    if not topic:
        raise SourceError(f"{scheme}: there is no topic in the address; write {scheme}://HOST/TOPIC")
    is_wrong = "#" in "".join(levels[:-1]) or any(sign in level and level != sign for level in levels for sign in "+#")
    if is_wrong or "\0" in topic or len(topic.encode(errors="replace")) > 65535:
        raise SourceError(f"{topic!r} is no topic: + stands for a whole level, # for all levels at the end")
