"""Requests of Prometheus' remote write, version 1 -> raw readings: Snappy-compressed protobuf messages."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

from streamforest.optional import optional
from streamforest.protocols import Reading, Refusal
from streamforest.reading.bodies import MOST_BYTES, BodyError, SeriesReadings, SeveralSeriesError
from streamforest.reading.column_layout import Asked

#: The label that holds a metric's name.
_NAME = "__name__"
#: The bits by which Prometheus says that a series has ended.
_STALE = struct.pack("<Q", 0x7FF0000000000002)
#: Field number, name, type and message of what is read of a request, by message.
_FIELDS = {
    "WriteRequest": [(1, "timeseries", "message", "TimeSeries")],
    "TimeSeries": [(1, "labels", "message", "Label"), (2, "samples", "message", "Sample")],
    "Label": [(1, "name", "bytes", ""), (2, "value", "bytes", "")],
    "Sample": [(1, "value", "double", ""), (2, "timestamp", "int64", "")],
}


def check_packages() -> None:
    """Raise MissingPackageError where a package that is needed is not installed."""
    optional("cramjam", "remote-write")
    optional("google.protobuf.descriptor_pb2", "remote-write")


def read_remote_write(body: bytes, asked: Asked) -> list[Reading | Refusal]:
    """The samples of a request, series by series; a mark that a series has ended is none.

    Parameters
    ----------
    body : bytes
        As it was sent.
    asked : Asked
        As in :class:`~streamforest.reading.bodies.SeriesReadings`.

    Raises
    ------
    BodyError
        It is no such request, too long, or of several series where the run has one stream.
    MissingPackageError
        A package that is needed is not installed.
    """
    request = _request()()
    try:
        request.ParseFromString(_unpacked(body))
    except BodyError:
        raise
    except Exception:  # protobuf's own kinds of errors have no common one
        raise BodyError("this is no request of Prometheus' remote write, version 1") from None
    found = SeriesReadings(asked)
    try:
        for series in request.timeseries:
            labels = {_text(label.name): _text(label.value) for label in series.labels}
            key = found.key_of(labels.pop(_NAME, ""), labels)
            if key is None:
                continue
            for sample in series.samples:
                value = sample.value
                if value == value or struct.pack("<d", value) != _STALE:
                    found.add(value, sample.timestamp / 1000.0, key)
    except SeveralSeriesError as error:
        raise BodyError(str(error)) from None
    return [*found.items]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _unpacked(body: bytes) -> bytes:
    """The bytes of a Snappy block, whose length stands before them."""
    length, shift = 0, 0
    for byte in body[:5]:
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    if length > MOST_BYTES:
        raise BodyError(f"it has {length:,} bytes unpacked, allowed are {MOST_BYTES:,}")
    try:
        return bytes(optional("cramjam", "remote-write").snappy.decompress_raw(body))
    except optional("cramjam", "remote-write").DecompressionError:
        raise BodyError("this is no block that Snappy packed") from None


@cache
def _request() -> Any:
    """The class of a request's message."""
    pb2 = optional("google.protobuf.descriptor_pb2", "remote-write")
    pool = optional("google.protobuf.descriptor_pool", "remote-write").DescriptorPool()
    factory = optional("google.protobuf.message_factory", "remote-write")
    file = pb2.FileDescriptorProto(name="streamforest/remote_write.proto", package="prometheus", syntax="proto3")
    kinds = pb2.FieldDescriptorProto
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, field, kind, of in fields:
            repeated = kinds.LABEL_REPEATED if kind == "message" else kinds.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=repeated)
            added.type = getattr(kinds, f"TYPE_{kind.upper()}")
            if of:
                added.type_name = f".prometheus.{of}"
    pool.Add(file)
    return factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))
