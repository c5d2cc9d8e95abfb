"""Real-time anomaly detection on streams of floating-point numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamforest.detectors.isolation_forest import StreamDetector
    from streamforest.features.holidays import public_holidays
    from streamforest.judging.rules import Rules
    from streamforest.streams import StreamDetectors

__all__ = ["Rules", "StreamDetector", "StreamDetectors", "public_holidays"]
__version__ = "1.0.0"


def html_of(shown: Any) -> str | None:
    """What a notebook shows of verdicts or detectors; None where it is to show their text."""
    from streamforest.adapters.notebook import html_of as html  # noqa: PLC0415 - matplotlib

    return html(shown)


def __getattr__(name: str) -> Any:
    # the detector brings its compiler with it, which most parts do not need
    if name == "StreamDetector":
        from streamforest.detectors.isolation_forest import StreamDetector  # noqa: PLC0415

        return StreamDetector
    if name == "StreamDetectors":
        from streamforest.streams import StreamDetectors  # noqa: PLC0415

        return StreamDetectors
    if name == "public_holidays":
        from streamforest.features.holidays import public_holidays  # noqa: PLC0415

        return public_holidays
    if name == "Rules":
        from streamforest.judging.rules import Rules  # noqa: PLC0415

        return Rules
    raise AttributeError(f"module 'streamforest' has no attribute {name!r}")
