"""The trained model that comes with the package: what is used where a user has none of his own."""

from __future__ import annotations

from pathlib import Path

SHIPPED_MODEL = Path(__file__).with_name("isolation_forest.joblib")
