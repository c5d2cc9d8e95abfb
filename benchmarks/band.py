"""How well the band keeps its word and how narrow it is, beside other libraries' intervals."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks.forecasters import Floats, Skater, Stream, forecasters, measured  # noqa: E402 - the path comes first
from streamforest.detectors.isolation_forest import StreamDetector  # noqa: E402
from streamforest.models.model_file import Model  # noqa: E402

#: Shares of normal points that are to lie outside; the interval score is that of the first.
RATES = (0.01, 0.001)
#: Newest errors that an adaptive conformal interval is made of, and its step, as in its paper.
ERRORS, STEP = 1000, 0.005
FEWEST_ERRORS = 30


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    print_table(*measured(__doc__ or "", words, figures_of, {"seasonal naive"}))
    return 0


def figures_of(model: Model, names: Sequence[str], stream: Stream) -> tuple[str, Floats]:
    """The stream's group; share of normal points outside at each of RATES, and interval score: shape (names, 3)."""
    half = len(stream.values) // 2
    counted = stream.is_normal & ~np.isnan(stream.values)
    counted[:half] = False
    figures = np.full((len(names), 3), np.nan)
    for row, name in enumerate(names):
        for column, (rate, (lower, upper)) in enumerate(zip(RATES, bands_of(model, name, stream), strict=True)):
            is_known = counted & np.isfinite(lower) & np.isfinite(upper)
            if not is_known.any():
                continue
            value, low, high = stream.values[is_known], lower[is_known], upper[is_known]
            figures[row, column] = np.mean((value < low) | (value > high))
            if rate == RATES[0]:
                figures[row, 2] = interval_score(value, low, high, rate)
    return stream.group, figures


def interval_score(value: Floats, low: Floats, high: Floats, rate: float) -> float:
    """Mean width, and 2 / rate times how far each value is outside; lower is better.

    References
    ----------
    Gneiting and Raftery, "Strictly proper scoring rules, prediction, and estimation", Journal of the American
    Statistical Association 102 (2007), doi 10.1198/016214506000001437, equation 43; after Winkler 1972.
    """
    outside = np.maximum(low - value, 0.0) + np.maximum(value - high, 0.0)
    return float(np.mean(high - low + 2.0 / rate * outside))


def bands_of(model: Model, name: str, stream: Stream) -> list[tuple[Floats, Floats]]:
    """Lower and upper edge one step ahead at each of RATES, known before each value; conformal where it has none."""
    if name == "streamforest":
        runs = [StreamDetector(model, rate).update_many(stream.values, stream.times) for rate in RATES]
        return [(verdicts["lower"], verdicts["upper"]) for verdicts in runs]
    forecaster = forecasters(model)[name][1](stream)
    expected = np.full(len(stream.values), np.nan)
    edges = np.full((len(RATES), 2, len(stream.values)), np.nan)
    for at in range(len(stream.values)):
        if isinstance(forecaster, Skater):
            edges[:, :, at] = [forecaster.band(rate) for rate in RATES]
        else:
            expected[at] = forecaster.ahead(1)[0]
        forecaster.learn(stream.values[at : at + 1], stream.times[at : at + 1])
    if isinstance(forecaster, Skater):
        return [(lower, upper) for lower, upper in edges]
    errors = np.abs(stream.values - expected)
    widths = [conformal(errors, rate) for rate in RATES]
    return [(expected - width, expected + width) for width in widths]


def conformal(errors: Floats, rate: float) -> Floats:
    """Half width of an adaptive conformal interval before each error, shape (n,); NaN before it is known.

    References
    ----------
    Gibbs and Candes, "Adaptive conformal inference under distribution shift", NeurIPS 2021, arXiv 2106.00170.
    """
    widths, kept, wanted = np.full(len(errors), np.nan), np.empty(0), rate
    for at, error in enumerate(errors.tolist()):
        if len(kept) >= FEWEST_ERRORS:
            # where it asks for all, the largest stands for an infinite one
            widths[at] = np.quantile(kept, min(max(1.0 - wanted, 0.0), 1.0))
        if error == error:
            if widths[at] == widths[at]:
                wanted += STEP * (rate - (error > widths[at]))
            kept = np.append(kept[-ERRORS + 1 :], error)
    return widths


def print_table(names: Sequence[str], groups: Sequence[str], figures: Floats) -> None:
    """Print shares outside, of all points of a group alike, and the interval score over the first one's."""
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings(action="ignore"):
        for group in (*dict.fromkeys(groups), "all"):
            is_in = np.array([group in (one, "all") for one in groups])
            print(f"\n{group}, {np.count_nonzero(is_in)} series, second halves, normal points")
            heads = [*(f"outside at {rate:g}" for rate in RATES), *(f"median at {rate:g}" for rate in RATES)]
            print(f"{'':<16}" + "".join(f"{head:>18}" for head in [*heads, f"score at {1 - RATES[0]:g}"]))
            for row, name in enumerate(names):
                part = figures[is_in, row]
                ratio = part[:, 2] / figures[is_in, 0, 2]
                cells = [*np.nanmean(part[:, :2], axis=0), *np.nanmedian(part[:, :2], axis=0), np.nanmedian(ratio)]
                print(f"{name:<16}" + "".join(f"{cell:>18.4f}" for cell in cells))


if __name__ == "__main__":
    sys.exit(main())
