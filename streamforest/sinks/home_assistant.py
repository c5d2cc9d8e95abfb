"""MQTT with Home Assistant's discovery: value, expected value, band, a problem sensor and the last reason."""

from __future__ import annotations

import hashlib
import json
import re
import ssl
from typing import Any

import streamforest
from streamforest.connections.outbox import DeliveryError, Message
from streamforest.connections.targets import Target
from streamforest.optional import optional
from streamforest.stream_names import shown_key
from streamforest.verdicts.life import INCIDENT, INCIDENT_END

PORTS = {"mqtt": 1883, "mqtts": 8883}
#: Seconds between signs of life; the server says "offline" for a run that gives none for 1.5 times as long.
KEEP_ALIVE = 20
#: Seconds that the server may take to connect or to acknowledge a message.
TIMEOUT = 10.0
#: Seconds between two values, where the user does not choose.
EVERY = 1.0

#: Sensors of a stream: name -> what is in its state.
NUMBERS = {"value": "Value", "expected": "Expected", "lower": "Usual at least", "upper": "Usual at most"}


class HomeAssistantReceiver:
    """Publishes states, events and what Home Assistant needs to find them, all for one device a stream.

    Parameters
    ----------
    target : Target
        ``mqtt://[USER:PASSWORD@]HOST[:PORT][/TOPIC]``, or ``mqtts://``; below TOPIC (``streamforest``) stand the
        topics. Settings: ``discovery``, the prefix of Home Assistant, ``homeassistant`` without it; ``every``, seconds
        between two values.

    Raises
    ------
    ValueError
        The topic or a setting is wrong.
    MissingPackageError
        paho-mqtt is not installed.

    Notes
    -----
    Where the source holds many streams, each is a device from its first episode on, with problem sensor and reason.
    """

    repeat = 0.0

    def __init__(self, target: Target) -> None:
        target.check_settings("discovery", "every")
        self._base = target.path.strip("/") or "streamforest"
        self._prefix = target.settings.get("discovery", "homeassistant")
        if re.search(r"[#+\0]", self._base + self._prefix):
            raise ValueError("a topic must not have the signs # and +")
        try:
            self.values_every = float(target.settings.get("every", EVERY))
        except ValueError:
            self.values_every = 0.0
        if not 0.01 <= self.values_every <= 86_400:
            raise ValueError(f"every is {target.settings['every']!r}; it must be a number of seconds, 0.01 to 86400")
        self._target = target
        self._paho: Any = optional("paho.mqtt.client", "mqtt")
        self._client: Any = None
        self._status = f"{self._base}/status"
        self._announced: set[str] = set()
        self._refusal = ""  # why the server lets nobody in

    def send(self, message: Message) -> None:
        """Deliver an event; raises DeliveryError."""
        if message["event"] in (INCIDENT, INCIDENT_END):  # of no stream by itself
            self._publish(f"{self._base}/incident", message, is_kept=False)
            return
        device = self._announce(message["source"], message.get("key"))
        topic = f"{self._base}/{device}"
        self._publish(f"{topic}/event", message, is_kept=False)
        self._publish(f"{topic}/problem", "OFF" if message["event"] == "end" else "ON")
        self._publish(f"{topic}/reason", message["reason"][:255])

    def show(self, verdict: Message) -> None:
        """Deliver the newest verdict of the stream, with ``source``; raises DeliveryError."""
        device = self._announce(verdict["source"], None)
        self._publish(f"{self._base}/{device}/state", verdict)

    def close(self) -> None:
        """Say goodbye, if anybody listens."""
        if self._client is not None:
            if self._client.is_connected():
                self._client.publish(self._status, "offline", 1, True).wait_for_publish(1.0)
            self._client.disconnect()
            self._client.loop_stop()

    def _publish(self, topic: str, content: object, is_kept: bool = True) -> None:
        payload = content if isinstance(content, str) else json.dumps(content)
        try:
            sent = self._connected().publish(topic, payload.encode(), 1, is_kept)
            sent.wait_for_publish(TIMEOUT)
            is_published = sent.is_published()
        except (OSError, ValueError, RuntimeError) as error:
            raise DeliveryError(self._target.hide(str(getattr(error, "strerror", None) or error))) from None
        if not is_published:
            raise DeliveryError(self._refusal or f"the server does not acknowledge a message within {TIMEOUT:g} s")

    def _connected(self) -> Any:
        """The client; it connects again by itself once it was connected."""
        if self._client is None:
            client = self._paho.Client(self._paho.CallbackAPIVersion.VERSION2)
            client.connect_timeout = TIMEOUT
            if self._target.user is not None:
                client.username_pw_set(self._target.user, self._target.password)
            if self._target.scheme == "mqtts":
                client.tls_set_context(ssl.create_default_context())
            client.will_set(self._status, "offline", 1, True)
            client.on_connect = self._on_connect
            client.connect(self._target.host, self._target.port or PORTS[self._target.scheme], KEEP_ALIVE)
            client.loop_start()
            self._client = client
        return self._client

    def _on_connect(self, client: Any, _userdata: object, _flags: object, code: Any, _properties: object) -> None:
        self._refusal = f"the server refuses the connection: {code}" if code.is_failure else ""
        if not code.is_failure:
            self._announced = set()  # a server that was started anew may have forgotten it
            client.publish(self._status, "online", 1, True)

    def _announce(self, source: str, key: str | None) -> str:
        """Let Home Assistant find a stream; returns the name of its device in topics."""
        device = "streamforest_" + hashlib.sha256(json.dumps([source, key]).encode()).hexdigest()[:12]
        if device not in self._announced:
            for kind, name, config in self._configs(device, source, key):
                self._publish(f"{self._prefix}/{kind}/{device}/{name}/config", config)
            self._announced.add(device)
        return device

    def _configs(self, device: str, source: str, key: str | None) -> list[tuple[str, str, Message]]:
        """Kind, name and configuration of each sensor of a stream."""
        topic = f"{self._base}/{device}"
        version = streamforest.__version__
        common = {
            "availability_topic": self._status,
            "device": {
                "identifiers": [device],
                "name": source if key is None else f"{source} {shown_key(key)}",
                "manufacturer": "streamforest",
                "model": "stream of numbers",
                "sw_version": version,
            },
            "origin": {"name": "streamforest", "sw_version": version},
        }
        found: list[tuple[str, str, Message]] = []
        for name, title in NUMBERS.items() if key is None else ():
            state = {"state_topic": f"{topic}/state", "value_template": f"{{{{ value_json.{name} }}}}"}
            found.append(("sensor", name, {"name": title, "state_class": "measurement", **state}))
        found.append(
            (
                "binary_sensor",
                "problem",
                {"name": "Problem", "device_class": "problem", "state_topic": f"{topic}/problem"},
            )
        )
        attributes = {"json_attributes_topic": f"{topic}/event"}
        found.append(("sensor", "reason", {"name": "Last reason", "state_topic": f"{topic}/reason", **attributes}))
        return [(kind, name, {**config, "unique_id": f"{device}_{name}", **common}) for kind, name, config in found]
