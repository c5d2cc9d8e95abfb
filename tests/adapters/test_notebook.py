import numpy as np
import pytest

from streamforest.adapters.notebook import (
    _remembered,
    html_of_array,
    html_of_detector,
    html_of_detectors,
)
from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.streams import StreamDetectors

VALUES = np.random.default_rng(5).normal(20.0, 1.0, 600)
VALUES[500] = 90.0


def test_verdicts_are_a_picture_and_a_table_of_episodes(model):
    html = html_of_array(StreamDetector(model).update_many(VALUES, 1714521600.0 + 60.0 * np.arange(600)))
    assert html.startswith("<p>600 points, ")
    assert '<img src="data:image/png;base64,iVBOR' in html
    assert "<td>2024-05-01T08:20:00" in html
    assert "spike: 90" in html


def test_verdicts_without_an_anomaly_or_times_are_shown_too(model):
    html = html_of_array(StreamDetector(model).update_many(VALUES[:50]))
    assert "50 points, 0 anomalous in 0 episodes" in html
    assert "<table>" not in html
    assert "<td>point 500</td>" in html_of_array(StreamDetector(model).update_many(VALUES))


def test_other_arrays_and_some_of_the_verdicts_stay_what_numpy_shows(model):
    verdicts = StreamDetector(model).update_many(VALUES)
    for array in (VALUES, verdicts[["value"]], verdicts[::2], verdicts[:0], np.zeros((2, 2))):
        assert html_of_array(array) is None


def test_a_detector_says_what_it_is_and_has_seen(model):
    detector = StreamDetector(model, 0.01)
    detector.update_many(VALUES)
    html = html_of_detector(detector)
    assert "<td>alarm rate</td><td>0.01</td>" in html
    assert "<td>points</td><td>600</td>" in html
    many = StreamDetectors(model, most=10, silence=60)
    many.update(["a", "<b>"], [1.0, 2.0])
    assert "2 of at most 10" in html_of_detectors(many)
    assert "60 s of silence" in html_of_detectors(many)


def test_a_detector_shows_the_newest_readings_that_it_remembers(model):
    detector = StreamDetector(model)
    assert "<img" not in detector._repr_html_()
    detector.update_many(VALUES)
    html = detector._repr_html_()
    assert "The newest 512 readings" in html
    assert '<img src="data:image/png;base64,iVBOR' in html
    remembered = _remembered(detector.state()["records"][0]["features"])
    clean = np.abs(VALUES[-512:] - 20.0) < 4.0
    np.testing.assert_allclose(remembered[clean], VALUES[-512:][clean], atol=1e-4)


def test_a_notebook_shows_them(model):
    testing = pytest.importorskip("IPython.core.interactiveshell")
    shell = testing.InteractiveShell()
    try:
        many = StreamDetectors(model, most=10)
        for shown, part in (
            (StreamDetector(model).update_many(VALUES), "<img"),
            (StreamDetector(model), "<table>"),
            (many, "<table>"),
        ):
            formats = shell.display_formatter.format(shown)[0]
            assert part in formats["text/html"]
            assert "text/plain" in formats
        for plain in (VALUES, many.update(["a"], [1.0]), StreamDetector(model).update_many(VALUES)["score"]):
            assert "text/html" not in shell.display_formatter.format(plain)[0]
    finally:
        shell.history_manager.end_session()
