import math

import numpy as np
import pytest

from benchmarks import band, forecast
from benchmarks.band import conformal, interval_score
from benchmarks.forecasters import LastValue, SeasonalNaive, Stream, streams
from benchmarks.marks import _DAY


def learnt(forecaster, values):
    values = np.asarray(values, dtype=float)
    forecaster.learn(values, np.full(len(values), math.nan))
    return forecaster


def test_the_baselines_repeat_the_last_value_and_the_last_season_past_missing_readings():
    assert learnt(LastValue(), [1, 2, math.nan]).ahead(2).tolist() == [2.0, 2.0]
    naive = learnt(SeasonalNaive(3), [9, 1, 2, 3])
    assert naive.ahead(5).tolist() == [1.0, 2.0, 3.0, 1.0, 2.0]
    assert np.isnan(learnt(SeasonalNaive(3), [1, 2]).ahead(1)).all()


def test_series_are_cut_and_constant_ones_left_out(tmp_path):
    folder = tmp_path / "toy"
    folder.mkdir()
    rows = [f"{3600 * at},{at % 24},{int(at == 50)}\n" for at in range(200)]
    (folder / "a.csv").write_text("timestamp,value,label\n" + "".join(rows), encoding="utf-8")
    (folder / "b.csv").write_text("timestamp,value,label\n1,5,0\n2,5,0\n", encoding="utf-8")
    first, *simulated = streams([folder], 120)
    assert (first.group, first.name, first.season) == ("toy", "a.csv", round(_DAY / 3600))
    assert len(first.values) == 120
    assert np.flatnonzero(~first.is_normal).tolist() == [50]
    assert len(simulated) == 60
    assert {len(one.values) for one in simulated} == {120}


def test_errors_are_means_over_the_steps_from_each_origin(model):
    values = np.arange(400.0)
    stream = Stream("toy", "line", values, np.full(400, math.nan), np.ones(400, dtype=bool), 0)
    group, errors = forecast.errors_of(model, ["last value", "seasonal naive"], stream)
    assert group == "toy"
    assert errors[0, 0] == 1.0
    assert errors[0, 1] == pytest.approx(5.5)
    assert np.isnan(errors[1]).all()


def test_an_interval_is_worth_its_width_and_what_lies_outside():
    value, low, high = np.array([0.0, 3.0]), np.array([-1.0, -1.0]), np.array([1.0, 1.0])
    assert interval_score(value, low, high, 0.01) == pytest.approx((2.0 + 2.0 + 200.0 * 2.0) / 2.0)


def test_a_conformal_interval_leaves_out_the_share_asked_for_also_where_errors_grow():
    errors = np.abs(np.random.default_rng(1).normal(size=6000)) * np.linspace(1.0, 5.0, 6000)
    widths = conformal(errors, 0.05)
    assert np.isnan(widths[:30]).all()
    assert np.mean(errors[1000:] > widths[1000:]) == pytest.approx(0.05, abs=0.01)


def test_the_shares_outside_are_of_normal_points_of_the_second_half(model):
    values = np.random.default_rng(2).normal(size=600)
    values[:200], values[500:520] = 1e6, 1e6
    is_normal = np.ones(600, dtype=bool)
    is_normal[500:520] = False
    stream = Stream("toy", "noise", values, np.full(600, math.nan), is_normal, 0)
    _, figures = band.figures_of(model, ["last value"], stream)
    assert figures[0, 0] < 0.03
    assert 3.0 < figures[0, 2] < 1e7
