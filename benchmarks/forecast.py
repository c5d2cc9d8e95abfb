"""How well the next points are forecast, beside the last value, the last season and other libraries."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks.forecasters import Floats, Stream, forecasters, measured  # noqa: E402 - the path comes first
from streamforest.models.model_file import Model  # noqa: E402

#: Steps ahead besides one and a season; points in the second half of a series that are forecast from; and steps of a
#: season that are looked at.
TEN, ORIGINS, LONGEST = 10, 40, 300
BASELINES = ("last value", "seasonal naive")


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    print_table(*measured(__doc__ or "", words, errors_of))
    return 0


def errors_of(model: Model, names: Sequence[str], stream: Stream) -> tuple[str, Floats]:
    """The stream's group and mean absolute errors, shape (len(names), 3): one step, ten and a season, from each origin.

    A season's are NaN where there is none.
    """
    n, season = len(stream.values), min(stream.season, LONGEST)
    steps = max(TEN, season)
    origins = np.unique(np.linspace(n // 2, n - 1, ORIGINS).astype(int)).tolist()
    known = forecasters(model)
    errors = np.full((len(names), 3), np.nan)
    for row, name in enumerate(names):
        forecaster = known[name][1](stream)
        off = []
        for before, at in pairwise([0, *origins]):
            forecaster.learn(stream.values[before:at], stream.times[before:at])
            expected = forecaster.ahead(steps)
            truth = np.full(steps, np.nan)
            truth[: min(steps, n - at)] = stream.values[at : at + steps]
            off.append(np.abs(expected - truth))
        with warnings.catch_warnings(action="ignore"):  # a mean of nothing
            ahead = np.nanmean(off, axis=0)
            errors[row] = ahead[0], ahead[:TEN].mean(), ahead[:season].mean() if season else np.nan
    return stream.group, errors


def print_table(names: Sequence[str], groups: Sequence[str], errors: Floats) -> None:
    """Print the median over the series of each error over those of the baselines."""
    heads = [f"{what} / {base}" for what in ("1 step", "1 to 10", "season") for base in ("last", "seasonal")]
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings(action="ignore"):
        ratios = np.stack([errors / errors[:, [names.index(base)]] for base in BASELINES], axis=-1)
        ratios[~np.isfinite(ratios)] = np.nan
        for group in (*dict.fromkeys(groups), "all"):
            is_in = np.array([group in (one, "all") for one in groups])
            print(f"\n{group}, {np.count_nonzero(is_in)} series: mean absolute error over that of the last value and")
            print("over that of the last season, median over the series")
            print(f"{'':<16}" + "".join(f"{head:>20}" for head in heads))
            for row, name in enumerate(names):
                medians = np.nanmedian(ratios[is_in, row], axis=0).ravel()
                print(f"{name:<16}" + "".join(f"{number:>20.3f}" for number in medians))


if __name__ == "__main__":
    sys.exit(main())
