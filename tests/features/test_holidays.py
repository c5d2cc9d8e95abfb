import math
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from streamforest.features.holidays import HOLIDAY_DTYPE, NO_HOLIDAYS, SUNDAY, days_to_sunday, public_holidays
from streamforest.optional import MissingPackageError

DAY = 86_400.0
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


@pytest.fixture
def package():
    return pytest.importorskip("holidays", reason="needs streamforest/requirements/holidays.txt")


def seconds(*moment, zone=UTC):
    return datetime(*moment, tzinfo=zone).timestamp()


def test_a_holiday_lasts_from_midnight_to_midnight_and_no_longer():
    days = [(10.0 * DAY, 11.0 * DAY, 4), (11.0 * DAY, 12.0 * DAY, 3), (20.0 * DAY, 21.0 * DAY, 1)]
    holidays = np.array(days, HOLIDAY_DTYPE)
    before, after = (lambda day: math.nextafter(day * DAY, -1.0)), (lambda day: day * DAY)
    found = [days_to_sunday(holidays, time) for time in (before(10), after(10), before(11), after(11), before(12))]
    assert found == [0, 4, 4, 3, 3]
    assert [days_to_sunday(holidays, time) for time in (after(12), before(20), after(20), after(21))] == [0, 0, 1, 0]
    for time in (math.nan, math.inf, -math.inf, -DAY, 1e300):
        assert days_to_sunday(holidays, time) == 0
        assert days_to_sunday(NO_HOLIDAYS, time) == 0


@pytest.mark.parametrize(("zone", "place"), [(UTC, "DE"), (BERLIN, "de"), (NEW_YORK, "US-NY")])
def test_every_day_is_a_holiday_where_the_package_has_it_and_leads_to_a_sunday(package, zone, place):
    holidays = public_holidays(place, zone)
    country, _, part = place.upper().partition("-")
    expected_days = package.country_holidays(country, subdiv=part or None, years=range(2023, 2027))
    for day in range(4 * 365):
        noon = seconds(2023, 1, 1, 12) + DAY * day
        date = datetime.fromtimestamp(noon, UTC).date()
        for hour, minute in ((0, 0), (12, 0), (23, 59)):
            time = datetime(date.year, date.month, date.day, hour, minute, tzinfo=zone)
            expected = SUNDAY - date.weekday() if date in expected_days else 0
            assert days_to_sunday(holidays, time.timestamp()) == expected


@pytest.mark.usefixtures("package")
def test_a_part_of_a_country_has_its_own_and_days_of_summer_time_their_length():
    corpus_christi = seconds(2024, 5, 30, 12, zone=BERLIN)
    assert days_to_sunday(public_holidays("DE-BY", BERLIN), corpus_christi) == 3
    assert days_to_sunday(public_holidays("DE-BE", BERLIN), corpus_christi) == 0
    for holidays in (public_holidays("DE-BY", BERLIN), public_holidays("CN", UTC)):
        assert (holidays["begin"][1:] >= holidays["end"][:-1]).all()
        assert set(holidays["to_sunday"].tolist()) <= {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("FRX", "did you mean FR?"),
        ("US_NY", "did you mean US-NY?"),
        ("DE-XX", "parts of DE are BB, BE, BW, BY"),
        ("BE-BRU", "as DE or DE-BY"),
        ("", "as DE or DE-BY"),
        ("DE-", "parts of DE are"),
    ],
)
@pytest.mark.usefixtures("package")
def test_a_country_that_there_is_not_is_refused_with_a_hint(place, hint):
    with pytest.raises(ValueError, match="there are no holidays of it: ") as caught:
        public_holidays(place)
    assert hint in str(caught.value)


def test_without_the_package_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(
        MissingPackageError, match=r"^holidays is not installed; run 'python -m pip install -r .*holidays"
    ):
        public_holidays("AT")
