from types import SimpleNamespace

import numpy as np
import pytest

from streamforest.program.explanation import explanation
from streamforest.protocols import SourceError
from streamforest.sources.file import FileSource
from streamforest.terminal.stop import StopFlag


@pytest.fixture
def explained(tmp_path):
    def explain(text, **said):
        path = tmp_path / "readings.csv"
        path.write_text(text, encoding="utf-8")
        stop, source = StopFlag(), FileSource(path)
        try:
            return explanation(
                source,
                stop,
                SimpleNamespace(**{"counter": False, "gauge": False, "holidays": None, "time_zone": None, **said}),
            )
        finally:
            source.close()
            stop.close()

    return explain


def test_an_explanation_says_what_was_understood_and_shows_the_first_readings(explained):
    rows = [f"01.05.2024 00:{minute:02};{minute},5" for minute in range(20)]
    first, *lines = explained("\n".join(["Zeit;Leistung [kW]", *rows]))
    for part in ("'Leistung [kW]' in kW", "time 'Zeit' (day.month.year, UTC)", "decimal comma", "2024-05-01T00:00:00Z"):
        assert part in first
    assert "usually every 60 s" in first
    assert lines[:2] == ["  2024-05-01T00:00:00.000Z  0.5", "  2024-05-01T00:01:00.000Z  1.5"]
    assert len(lines) == 5


def test_a_counter_is_explained_with_its_growth_if_that_is_judged_and_else_suggested(explained):
    totals = np.cumsum(np.random.default_rng(1).poisson(3, 400))
    text = "\n".join(["kwh_total", *map(str, totals)])  # too coarse for its growth to be judged unasked
    lines = explained(text)
    assert lines[1].endswith("this looks like a counter: --counter judges its growth, --gauge its values as now")
    assert not any("looks like" in line for line in explained(text, gauge=True))
    assert not any("growth " in line for line in lines[2:])
    lines = explained(text, counter=True)
    assert lines[2].endswith(f"growth {totals[1] - totals[0]}")
    assert not any("looks like" in line for line in lines)


def test_a_text_without_a_reading_is_told(explained):
    with pytest.raises(SourceError, match="there is no reading in it"):
        explained("")
    with pytest.raises(SourceError, match="'x' is no number"):
        explained("value\nx\ny\n")
