"""A Kafka topic's messages: each a number, a CSV row or a JSON object."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

from streamforest.connections.addresses import Address, read_address
from streamforest.connections.reconnecting import FIRST_LIMIT, LONGEST_PAUSE, PATIENCE, Connection, Silence
from streamforest.optional import optional
from streamforest.protocols import Reading, Refusal, SourceError, State, Stop
from streamforest.reading.bookmark import START, Bookmark
from streamforest.reading.column_layout import ANY_COLUMNS, ANY_DIALECT, Asked, Dialect
from streamforest.reading.payloads import Items, PayloadReader
from streamforest.state import packed, unpacked

PORT = 9092
#: Values of the offset parameter, and what each is to the client.
OFFSETS = {"latest": "latest", "newest": "latest", "earliest": "earliest", "oldest": "earliest"}
SECURITY = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
PARAMETERS = ("offset", "group", "partition", "security", "mechanism")
#: Seconds that leaving the server may take at the end of the run.
LEAVING = 0.5

_log = logging.getLogger("streamforest.kafka")
_log.addHandler(logging.NullHandler())
_log.propagate = False  # what matters of the client's own log is reported in words of our own

#: Bytes that one answer of the server may have.
MOST_BYTES = 2**24
#: The client's option that sets it, as its message about a longer answer names it.
LIMIT = "receive.message.max.bytes"


class KafkaSource:
    """The messages of a topic, as they come.

    Where messages hold no time, it is the time that Kafka keeps with each.

    A run with a checkpoint goes on behind the last message that it holds, whatever the group says. The group gets the
    offsets of messages once they are judged; with a checkpoint, once they are in it.

    Parameters
    ----------
    word : str
        ``kafka://[user[:password]@]host[:port]/topic[?name=value&...]`` with ``offset`` (``latest``, the default, or
        ``earliest``), ``group`` (goes on where the last run of this group ended; without it the run has a group of
        its own), ``partition`` (one alone), ``security`` (``plaintext``, ``ssl``, ``sasl_plaintext`` or
        ``sasl_ssl``; the last where there is a user) and ``mechanism`` (``PLAIN``).
    notify : callable
        Takes a line for people.
    asked, dialect
        As in :class:`~streamforest.reading.line_reader.RowReader`.

    Raises
    ------
    SourceError
        The address or a parameter is wrong.
    MissingPackageError
        confluent-kafka is not installed.
    """

    live = True

    def __init__(
        self,
        word: str,
        notify: Callable[[str], None],
        asked: Asked = ANY_COLUMNS,
        dialect: Dialect = ANY_DIALECT,
    ) -> None:
        address = read_address(word, PORT)
        topic, _, query = address.rest.partition("?")
        self._topic = unquote(topic)
        self.name = f"kafka://{address.place}/{self._topic}"
        if not self._topic:
            raise SourceError("kafka: there is no topic in the address; write kafka://HOST/TOPIC")
        chosen = _parameters(query)
        self._partition = int(chosen["partition"]) if "partition" in chosen else None
        self._is_shared = "group" in chosen and self._partition is None  # others may read what was read here
        self._offset = OFFSETS[chosen.get("offset", "latest")]
        self._client = optional("confluent_kafka", "kafka")
        self._payloads = PayloadReader(self.name, asked, dialect)
        self.reader = self._payloads.reader
        self._is_one_stream = asked.key_column is None  # no stream of many is known to be silent
        self._notify = notify
        self._connection = Connection(self.name, notify)
        self._fault = ""  # the newest one of the client
        self._is_blocked = False  # by a message that is longer than an answer may be
        self._reported: set[str] = set()
        self._ends: dict[str, int] = {}  # by partition, behind the newest message
        self._offsets: dict[str, int] = {}  # the same of those whose readings were handed out
        self._written: dict[str, int] = {}  # the same of those that a checkpoint holds
        self._stored: dict[str, int] = {}  # the same that the group has
        self._due: dict[str, int] = {}  # the same where the run before ended, until a message comes
        self._columns = Bookmark()  # its place is not used: the offsets are
        self._is_kept = False  # by checkpoints
        self._consumer = self._make_consumer(_configuration(address, chosen))

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
        silence = Silence(self.name, self._notify, is_judged=self._is_one_stream)
        self._connection = Connection(self.name, self._notify)
        last = None
        while not stop.requested:
            has_come = False
            for block in self._blocks(self._take(most), most):
                has_come = True
                silence.arrived()
                last = next((item.time for item in reversed(block) if isinstance(item, Reading)), last)
                yield block
            if self._is_blocked:
                yield from self._handed_out(self._pass_over(), most)
            self._tell_group()
            if not has_come and self._connection.was_made and silence.is_gap():
                yield [Reading(None, last)]

    def _blocks(self, messages: Sequence[Any], most: int) -> Iterator[Items]:
        """The readings of messages, those of one message in one block if they are no more than ``most``."""
        items: Items = []
        for message in messages:
            found = self._read_message(message)
            if len(items) + len(found) > most:
                yield from self._handed_out(items, most)
                items = []
            items += found
            if message.error() is None:
                self._ends[str(message.partition())] = message.offset() + 1
        yield from self._handed_out(items, most)

    def _handed_out(self, items: Items, most: int) -> Iterator[Items]:
        """Blocks of items; with the last one the place is behind their messages."""
        for start in range(0, len(items), most):
            if start + most >= len(items):
                self._offsets = self._ends.copy()
            yield items[start : start + most]

    def state(self) -> State:
        """Behind the newest message of each partition, and the columns; empty where others of the group read them."""
        if self._is_shared:
            return {}
        self._is_kept = True
        self._columns.turn(self.reader.newest_layout)
        return self._columns.state() | {"offsets": packed(self._offsets)}

    def restore(self, state: State) -> str:
        """Go on behind these messages; raises ValueError where the state is none."""
        offsets = unpacked(state, "offsets", dict[str, int])
        if not all(name.isdigit() and offset >= 0 for name, offset in offsets.items()):
            raise ValueError("the saved offsets are none")
        self._columns.restore(state)
        self._ends, self._offsets, self._due = dict(offsets), dict(offsets), dict(offsets)
        self.reader.go_on(START, self._columns.earlier)
        if self._partition is not None:
            self._consumer.assign(self._placed([self._client.TopicPartition(self._topic, self._partition)]))
        return ""

    def written(self, state: State) -> None:
        """Have the group told of the messages that a checkpoint holds; :meth:`read` does it, in its own thread."""
        if "offsets" in state:
            self._written = unpacked(state, "offsets", dict[str, int])

    def _tell_group(self) -> None:
        """Have the client tell the group within seconds where a run without a checkpoint is to go on."""
        offsets = self._written if self._is_kept else self._offsets
        if offsets == self._stored:
            return
        self._stored = offsets
        places = [self._client.TopicPartition(self._topic, int(name), offset) for name, offset in offsets.items()]
        with suppress(self._client.KafkaException):  # a partition went to another process of the group
            self._consumer.store_offsets(offsets=places)

    def _placed(self, partitions: Sequence[Any]) -> Sequence[Any]:
        """Partitions with the offsets to go on from, so far as they are known and no other process may have gone on."""
        own = {} if self._is_shared else self._offsets
        for one in partitions:
            stored = self._client.OFFSET_STORED  # where the group ended, else as the offset parameter says
            one.offset = own.get(str(one.partition), stored)
        return partitions

    def close(self) -> None:
        """Leave the server, within LEAVING."""
        consumer = self._consumer
        if consumer is not None:
            self._tell_group()
            self._consumer = None
            leaving = threading.Thread(target=consumer.close, daemon=True)
            leaving.start()
            leaving.join(LEAVING)

    def _make_consumer(self, configuration: dict[str, Any]) -> Any:
        callbacks = {"error_cb": self._on_error, "stats_cb": self._on_statistics}
        try:
            consumer = self._client.Consumer(configuration | callbacks, logger=_log)
            if self._partition is None:
                consumer.subscribe([self._topic], on_assign=self._on_assign)
            else:
                consumer.assign(self._placed([self._client.TopicPartition(self._topic, self._partition)]))
        except (self._client.KafkaException, ValueError, TypeError) as error:
            raise SourceError(f"{self.name}: {_words(error)}") from None
        return consumer

    def _take(self, most: int) -> Sequence[Any]:
        """Messages, up to so many: the first may be waited for, the others are there. Runs the callbacks."""
        first = self._consumer.poll(PATIENCE)
        if first is None:
            self._connection.check(self._fault or "the server gave no answer")
            return ()
        return [first, *self._consumer.consume(most - 1, 0)] if most > 1 else [first]

    def _pass_over(self) -> Items:
        """Go on behind a message that cannot be taken in; nothing where it is not known in which partition that is.

        The client names neither. Where no message came so far, the place is that of the offset parameter.
        """
        self._is_blocked = False
        places = self._consumer.assignment()
        why = f"a message of more than {MOST_BYTES:,} bytes"
        if len(places) != 1:
            self._tell_once(f"{why} stands in the way of its partition; ?partition=N goes on behind it")
            return []
        try:
            (place,) = self._consumer.position(places)
            if place.offset < 0:
                oldest, newest = self._consumer.get_watermark_offsets(place, PATIENCE)
                first = oldest if self._offset == "earliest" else max(oldest, newest - 1)
                place.offset = self._ends.get(str(place.partition), first)
            where = f"offset {place.offset} of partition {place.partition}"
            place.offset += 1
            self._consumer.seek(place)
        except self._client.KafkaException:
            return []  # the connection is not back yet; the client will meet the message again
        self._ends[str(place.partition)] = place.offset
        return [Refusal(where, why)]

    def _read_message(self, message: Any) -> list[Reading | Refusal]:
        error = message.error()
        if error is not None:
            self._judge_error(error)
            return []
        self._connection.worked()
        self._look_for_gap(str(message.partition()), message.offset())
        where = f"offset {message.offset()} of partition {message.partition()}"
        kind, milliseconds = message.timestamp()
        moment = time.time() if kind == self._client.TIMESTAMP_NOT_AVAILABLE else milliseconds / 1000
        return self._payloads.read(message.value() or b"", where, moment)

    def _look_for_gap(self, partition: str, offset: int) -> None:
        """Say once where the first message of a partition is not the one that the run before would have read next."""
        due = self._due.pop(partition, offset)
        if due != offset:
            self._notify(f"{self.name}: partition {partition} goes on at offset {offset}, not {due}: the rest is gone")

    def _judge_error(self, error: Any) -> None:
        """Fail where the server refuses what was asked for; else say it once."""
        code = self._client.KafkaError
        if error.code() in {code.TOPIC_AUTHORIZATION_FAILED, code.GROUP_AUTHORIZATION_FAILED}:
            raise SourceError(f"{self.name}: the server refuses: {error.str()}")
        if error.code() == code.UNKNOWN_TOPIC_OR_PART:
            self._tell_once(f"there is no topic {self._topic} so far; waiting for it")
        elif error.code() != code._PARTITION_EOF:
            self._tell_once(error.str())

    def _on_error(self, error: Any) -> None:
        code = self._client.KafkaError
        if error.code() in {code._AUTHENTICATION, code.SASL_AUTHENTICATION_FAILED} and not self._connection.was_made:
            raise SourceError(f"{self.name}: the server refuses user or password: {error.str()}")
        if LIMIT in error.str():
            self._is_blocked, self._fault = True, f"an answer of more than {MOST_BYTES:,} bytes is not taken in"
        elif error.code() != code._ALL_BROKERS_DOWN:
            self._fault = error.str()

    def _on_statistics(self, text: str) -> None:
        """Once a second: whether any server is connected."""
        if any(broker["state"] in {"UP", "UPDATE"} for broker in json.loads(text)["brokers"].values()):
            self._fault = ""
            self._connection.worked()
        elif self._connection.was_made and not self._connection.is_lost:
            self._connection.failed(self._fault or "the server closed it or does not answer")

    def _on_assign(self, consumer: Any, partitions: Sequence[Any]) -> None:
        if len(partitions) > 1:
            self._tell_once(
                f"the topic has {len(partitions)} partitions, which keep no common order: a reading whose time goes "
                "back is refused; ?partition=N takes one alone"
            )
        consumer.assign(self._placed(partitions))

    def _tell_once(self, message: str) -> None:
        if message not in self._reported and len(self._reported) < 100:
            self._reported.add(message)
            self._notify(f"{self.name}: {message}")


def _parameters(query: str) -> dict[str, str]:
    """The parameters behind the question mark, each checked."""
    chosen = dict(parse_qsl(query, keep_blank_values=True))
    for name in chosen:
        if name not in PARAMETERS:
            raise SourceError(f"kafka: there is no parameter {name!r}; there are {', '.join(PARAMETERS)}")
    allowed = {"offset": tuple(OFFSETS), "security": SECURITY}
    for name, values in allowed.items():
        if chosen.get(name, values[0]) not in values:
            raise SourceError(f"kafka: {name} is {chosen[name]!r}: it must be one of {', '.join(values)}")
    partition = chosen.get("partition", "0")
    if not (partition.isascii() and partition.isdigit() and len(partition) < 10):
        raise SourceError(f"kafka: partition is {partition!r}: it must be a whole number from 0")
    return chosen


def _configuration(address: Address, chosen: dict[str, str]) -> dict[str, Any]:
    """The configuration of the client."""
    configuration: dict[str, Any] = {
        "bootstrap.servers": address.place,
        "group.id": chosen.get("group") or f"streamforest-{uuid4().hex[:12]}",
        "enable.auto.commit": bool(chosen.get("group")),
        "enable.auto.offset.store": False,  # the client does not know what was judged
        "auto.offset.reset": OFFSETS[chosen.get("offset", "latest")],
        "security.protocol": chosen.get("security", "plaintext" if address.user is None else "sasl_ssl"),
        "reconnect.backoff.ms": 1000,
        "reconnect.backoff.max.ms": int(LONGEST_PAUSE * 1000),
        "socket.connection.setup.timeout.ms": int(FIRST_LIMIT * 1000),
        "statistics.interval.ms": 1000,
        "queued.max.messages.kbytes": 16384,
        "fetch.message.max.bytes": 262144,
        "fetch.max.bytes": MOST_BYTES,
        LIMIT: MOST_BYTES + 2**20,  # what is longer is not taken in
        "client.id": "streamforest",
    }
    if address.user is not None:
        configuration |= {
            "sasl.mechanism": chosen.get("mechanism", "PLAIN"),
            "sasl.username": address.user,
            "sasl.password": address.password or "",
        }
    return configuration


def _words(error: Exception) -> str:
    """What an error of the client says."""
    inner = error.args[0] if error.args else error
    return str(inner.str() if hasattr(inner, "str") else inner)
