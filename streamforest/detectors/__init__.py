"""What judges points; one file a detector, one entry in the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from streamforest.rules import NO_RULES, Rules

if TYPE_CHECKING:
    from streamforest.protocols import Detector


def _isolation_forest(model: Path, alarm_rate: float, rules: Rules) -> Detector:
    from streamforest.detectors.isolation_forest import StreamDetector  # noqa: PLC0415 - only the chosen one

    return StreamDetector.load(model, alarm_rate, rules)


def _z_score(_model: Path, alarm_rate: float, rules: Rules) -> Detector:
    from streamforest.detectors.z_score import ZScoreDetector  # noqa: PLC0415

    return ZScoreDetector(alarm_rate, rules)


#: Name on the command line -> a fresh detector, from the path of the trained model, the wanted alarm rate and rules.
DETECTORS: dict[str, Callable[[Path, float, Rules], Detector]] = {
    "isolation-forest": _isolation_forest,
    "z-score": _z_score,
}


def make_detector(name: str, *, model: Path, alarm_rate: float, rules: Rules = NO_RULES) -> Detector:
    """A fresh detector by its name in DETECTORS; raises ``forest.ModelError`` where its model cannot be used."""
    return DETECTORS[name](model, alarm_rate, rules)
