"""Where verdicts go; one file a sink, and an entry in the table for each kind of address that messages go to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from streamforest.connections.outbox import Receiver
from streamforest.connections.targets import Target
from streamforest.text import did_you_mean


def _alertmanager(target: Target) -> Receiver:
    from streamforest.sinks.alertmanager import AlertmanagerReceiver  # noqa: PLC0415 - only the ones that are chosen

    return AlertmanagerReceiver(target)


def _webhook(target: Target) -> Receiver:
    from streamforest.sinks.webhook import WebhookReceiver  # noqa: PLC0415

    return WebhookReceiver(target)


def _slack(target: Target) -> Receiver:
    from streamforest.sinks.chat import SlackReceiver  # noqa: PLC0415

    return SlackReceiver(target)


def _teams(target: Target) -> Receiver:
    from streamforest.sinks.chat import TeamsReceiver  # noqa: PLC0415

    return TeamsReceiver(target)


def _ntfy(target: Target) -> Receiver:
    from streamforest.sinks.ntfy import NtfyReceiver  # noqa: PLC0415

    return NtfyReceiver(target)


def _pagerduty(target: Target) -> Receiver:
    from streamforest.sinks.pagerduty import PagerDutyReceiver  # noqa: PLC0415

    return PagerDutyReceiver(target)


def _grafana(target: Target) -> Receiver:
    from streamforest.sinks.grafana import GrafanaReceiver  # noqa: PLC0415

    return GrafanaReceiver(target)


def _mail(target: Target) -> Receiver:
    from streamforest.sinks.mail import MailReceiver  # noqa: PLC0415

    return MailReceiver(target)


def _home_assistant(target: Target) -> Receiver:
    from streamforest.sinks.home_assistant import HomeAssistantReceiver  # noqa: PLC0415

    return HomeAssistantReceiver(target)


def _otlp(target: Target) -> Receiver:
    from streamforest.sinks.otlp import OtlpReceiver  # noqa: PLC0415

    return OtlpReceiver(target)


#: Kinds that are reached by HTTP: ``kind+http://`` or ``kind+https://``, which is also meant by ``kind://``.
BY_HTTP: Mapping[str, Callable[[Target], Receiver]] = MappingProxyType(
    {
        "alertmanager": _alertmanager,
        "webhook": _webhook,
        "slack": _slack,
        "teams": _teams,
        "ntfy": _ntfy,
        "pagerduty": _pagerduty,
        "grafana": _grafana,
        "otlp": _otlp,
    }
)
#: The others, by their scheme.
BY_SCHEME: Mapping[str, Callable[[Target], Receiver]] = MappingProxyType(
    {"smtp": _mail, "smtps": _mail, "mqtt": _home_assistant, "mqtts": _home_assistant}
)


def open_receiver(target: Target) -> Receiver:
    """What delivers messages to an address; nothing is connected yet.

    Raises
    ------
    ValueError
        There is no such kind, or the address is none of its kind; the message holds no secret.
    MissingPackageError
        A package that it needs is not installed.
    """
    if target.kind in BY_HTTP and target.scheme in (target.kind, "http", "https"):
        return BY_HTTP[target.kind](target)
    if target.kind in BY_SCHEME and target.scheme == target.kind:
        return BY_SCHEME[target.kind](target)
    kinds = [*(f"{kind}+https" for kind in BY_HTTP), *BY_SCHEME]
    raise ValueError(f"there is no such kind; there are {', '.join(kinds)}{did_you_mean(target.kind, kinds)}")
