"""OpenTelemetry's protocol, OTLP over HTTP: episodes as logs, their counts and the newest point as metrics."""

from __future__ import annotations

import base64
import logging
import os
import ssl
import time
from functools import cache
from typing import Any

import streamforest
from streamforest.connections.outbox import DeliveryError, Message
from streamforest.connections.targets import Target
from streamforest.connections.web import TEMPORARY, TIMEOUT
from streamforest.optional import optional
from streamforest.verdicts.life import ENDS, INCIDENT, INCIDENT_END, headline

#: Seconds between two values, where the user does not choose.
EVERY = 10.0
#: Numbers of the newest point that are shown, each as a gauge.
SHOWN = ("value", "expected", "lower", "upper", "score", "threshold", "p_value")
#: What happened -> the name of a severity.
SEVERITIES = {"start": "WARN", "worse": "ERROR", INCIDENT: "ERROR", **dict.fromkeys(ENDS, "INFO")}
#: What happened -> the field with its time, and the name of the event.
TIMES = {"start": "start", "worse": "peak", INCIDENT: "joined", **dict.fromkeys(ENDS, "end")}
NAMES = {INCIDENT: "incident", INCIDENT_END: "incident.end"}
PREFIX = "streamforest"


class OtlpReceiver:
    """Sends a log record for each event of an episode, and metrics, to a collector.

    Parameters
    ----------
    target : Target
        ``otlp+http://HOST:4318[/PREFIX]``; below PREFIX stand ``/v1/logs`` and ``/v1/metrics``. Settings: ``token``,
        ``service``, the name of the service (``streamforest``), and ``every``, seconds between two values.
    timeout : float
        Seconds that a delivery may take, with the SDK's own further attempts.

    Raises
    ------
    ValueError
        A setting is wrong.
    MissingPackageError
        The SDK is not installed.
    """

    repeat = 0.0

    def __init__(self, target: Target, timeout: float = TIMEOUT) -> None:
        target.check_settings("token", "service", "every")
        try:
            self.values_every = float(target.settings.get("every", EVERY))
        except ValueError:
            self.values_every = 0.0
        if not 0.01 <= self.values_every <= 86_400:
            raise ValueError(f"every is {target.settings['every']!r}; it must be a number of seconds, 0.01 to 86400")
        self._target = target
        self._session = _noting_session()()
        given = {
            "headers": _headers(target),
            "timeout": timeout,
            "session": self._session,
            "certificate_file": os.environ.get("SSL_CERT_FILE") or None,
        }
        exporters = "opentelemetry.exporter.otlp.proto.http"
        sdk_logs, sdk_metrics = (optional(f"opentelemetry.sdk.{name}", "otlp") for name in ("_logs", "metrics"))
        resource = optional("opentelemetry.sdk.resources", "otlp").Resource.create(
            {"service.name": target.settings.get("service", PREFIX), "service.version": streamforest.__version__}
        )
        log_exporter = optional(f"{exporters}._log_exporter", "otlp").OTLPLogExporter(target.url("/v1/logs"), **given)
        self._outcome = _Outcome(log_exporter)
        self._logs = sdk_logs.LoggerProvider(resource, shutdown_on_exit=False)
        processor = optional("opentelemetry.sdk._logs.export", "otlp").SimpleLogRecordProcessor(self._outcome)
        self._logs.add_log_record_processor(processor)
        self._logger = self._logs.get_logger(PREFIX, streamforest.__version__)
        self._record = optional("opentelemetry._logs", "otlp").LogRecord
        self._severity = optional("opentelemetry._logs", "otlp").SeverityNumber

        metrics = optional("opentelemetry.sdk.metrics.export", "otlp")
        self._reader, self._success = metrics.InMemoryMetricReader(), metrics.MetricExportResult.SUCCESS
        self._meters = sdk_metrics.MeterProvider([self._reader], resource, shutdown_on_exit=False)
        self._metrics = optional(f"{exporters}.metric_exporter", "otlp").OTLPMetricExporter(
            target.url("/v1/metrics"), **given
        )
        meter = self._meters.get_meter(PREFIX, streamforest.__version__)
        self._episodes = meter.create_counter(f"{PREFIX}.episodes", "1", "Events of episodes")
        self._gauges = {name: meter.create_gauge(f"{PREFIX}.{name}") for name in SHOWN}
        # its lines would go to the terminal, with addresses
        log = logging.getLogger("opentelemetry")
        log.addHandler(logging.NullHandler())
        log.propagate = False

    def send(self, message: Message) -> None:
        """Deliver an event; raises DeliveryError."""
        event = message["event"]
        seconds = message[TIMES[event]]
        now = time.time_ns()
        facts = {f"{PREFIX}.{name}": value for name, value in message.items() if value is not None and name != "event"}
        if "members" in message:  # an attribute is no object
            facts[f"{PREFIX}.members"] = [member["key"] for member in message["members"]]
        self._outcome.is_delivered = False
        self._logger.emit(
            self._record(
                timestamp=now if seconds is None else round(seconds * 1e9),
                observed_timestamp=now,
                severity_number=self._severity[SEVERITIES[event]],
                severity_text=SEVERITIES[event],
                body=headline(message),
                attributes=facts,
                event_name=f"{PREFIX}.{NAMES.get(event, f'episode.{event}')}",
            )
        )
        if not self._outcome.is_delivered:
            raise self._failure()
        key = {} if message.get("key") is None else {"key": message["key"]}
        self._episodes.add(1, {"event": event, "source": message["source"], **key})
        self._push()  # where that fails, the next one has the count

    def show(self, verdict: Message) -> None:
        """Deliver the newest verdict, with ``source``; raises DeliveryError."""
        for name, gauge in self._gauges.items():
            if verdict[name] is not None:
                gauge.set(verdict[name], {"source": verdict["source"]})
        if not self._push():
            raise self._failure()

    def close(self) -> None:
        """End the SDK's parts, which hold nothing back."""
        self._logs.shutdown()
        self._meters.shutdown()
        self._metrics.shutdown()

    def _push(self) -> bool:
        """Send the metrics as they stand; whether they were taken."""
        data = self._reader.get_metrics_data()
        return data is None or self._metrics.export(data) is self._success

    def _failure(self) -> DeliveryError:
        """Why the newest request was not taken."""
        answer, error = self._session.answer, self._session.error
        if answer is None:
            return DeliveryError(self._target.hide(_why(error)))
        wait = answer.headers.get("Retry-After", "")
        is_final = answer.status_code < 500 and answer.status_code not in TEMPORARY
        why = f"the collector says {answer.status_code} {answer.reason}"
        return DeliveryError(why, is_final, float(wait) if wait.isdigit() else None)


class _Outcome:
    """An exporter of log records that notes whether the newest ones were taken: the SDK tells nobody."""

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter
        self.is_delivered = False

    def export(self, batch: Any) -> Any:
        result = self._exporter.export(batch)
        self.is_delivered = result.name == "SUCCESS"
        return result

    def force_flush(self, timeout_millis: int = 10_000) -> bool:
        return bool(self._exporter.force_flush(timeout_millis))

    def shutdown(self) -> None:
        self._exporter.shutdown()


@cache
def _noting_session() -> type[Any]:
    """A session of requests that notes the newest answer, or why there is none, and is never sent elsewhere."""
    requests: Any = optional("requests", "otlp")

    class NotingSession(requests.Session):  # type: ignore[misc] # it is made at run time
        answer: Any = None
        error: Exception | None = None

        def send(self, request: Any, **options: Any) -> Any:
            self.answer = self.error = None
            try:
                self.answer = super().send(request, **options | {"allow_redirects": False})
            except Exception as error:
                self.error = error
                raise
            if self.answer.is_redirect:  # the SDK would take it for a success
                raise requests.TooManyRedirects(response=self.answer)
            return self.answer

    return NotingSession


def _headers(target: Target) -> dict[str, str]:
    if token := target.settings.get("token"):
        return {"authorization": f"Bearer {token}"}
    if target.user is None:
        return {}
    pair = f"{target.user}:{target.password or ''}"
    return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _why(error: BaseException | None) -> str:
    """What is at the bottom of an exception of requests, in words."""
    found, deepest = error, error
    while found is not None:
        deepest = found if isinstance(found, OSError) and found.strerror else deepest
        found = found.__cause__ or found.__context__
    if isinstance(deepest, ssl.SSLCertVerificationError):
        return f"the collector's certificate is not trusted: {deepest.verify_message}"
    if deepest is None or isinstance(deepest, TimeoutError) or "Timeout" in type(deepest).__name__:
        return "the collector gives no answer in time"
    return str(getattr(deepest, "strerror", None) or type(deepest).__name__)
