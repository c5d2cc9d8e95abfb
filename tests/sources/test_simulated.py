from itertools import islice

import pytest

from streamforest.protocols import LABELS, Reading, SourceError
from streamforest.simulation.profiles import PROFILES
from streamforest.simulation.streams import SimulatedStream, default_profile
from streamforest.sources import SourceOptions, open_source
from streamforest.sources.simulated import SimulatedSource
from streamforest.terminal.stop import StopFlag


@pytest.fixture
def stop():
    flag = StopFlag()
    yield flag
    flag.close()


def readings(source, stop, most, blocks):
    return [reading for block in islice(source.read(stop, most), blocks) for reading in block]


def test_it_yields_full_blocks_of_readings_without_end(stop):
    blocks = list(islice(SimulatedSource(1, 0.02).read(stop, 7), 300))
    assert {len(block) for block in blocks} == {7}
    assert all(type(reading) is Reading for block in blocks for reading in block)


def test_the_readings_are_the_default_streams_with_their_labels_and_no_time(stop):
    values, labels = SimulatedStream(default_profile(), 5, 0.1).take(3000)
    found = readings(SimulatedSource(5, 0.1), stop, 1000, 3)
    assert repr([reading.value for reading in found]) == repr(values.tolist())
    assert [reading.label for reading in found] == labels.tolist()
    assert {LABELS[reading.label] for reading in found} > {"normal", "spike"}
    assert {reading.time for reading in found} == {None}


def test_the_same_seed_gives_the_same_readings_whatever_the_blocks(stop):
    one, two = (readings(SimulatedSource(3, 0.02), stop, most, 600 // most) for most in (1, 200))
    assert repr(one) == repr(two)
    assert repr(one) != repr(readings(SimulatedSource(4, 0.02), stop, 200, 3))


def test_it_ends_when_it_shall(stop):
    blocks = SimulatedSource(1, 0.02).read(stop, 10)
    next(blocks)
    stop.request()
    assert list(blocks) == []
    assert list(SimulatedSource(1, 0.02).read(stop, 10)) == []


def test_a_bad_probability_is_named():
    with pytest.raises(ValueError, match=r"outlier_probability is 0.7, allowed is 0 to 0.5"):
        SimulatedSource(1, 0.7)


def test_it_says_what_it_is_and_may_be_closed_twice():
    source = SimulatedSource(1, 0.02)
    assert source.name == "simulated"
    assert source.live is False
    assert source.describe()
    source.close()
    source.close()


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_read_with_its_times_and_labels(stop, name):
    source = open_source(f"simulated:{name}", SourceOptions(print, seed=5, outlier_probability=0.1))
    found = readings(source, stop, 1000, 3)
    stream = PROFILES[name](5, 0.1)
    times = stream.take_times(3000)
    values, labels = stream.take(3000)
    assert [reading.time for reading in found] == times.tolist()
    assert repr([reading.value for reading in found]) == repr(values.tolist())
    assert [reading.label for reading in found] == labels.tolist()
    assert source.live is False
    assert source.name.startswith("simulated ")
    assert source.describe().startswith(f"{source.name}: ")
    assert len({open_source(f"simulated:{other}", SourceOptions(print)).name for other in PROFILES}) == len(PROFILES)


@pytest.mark.parametrize("word", ["simulated:", "simulated:stocks", "simulated:web:1", "simulated:Web"])
def test_an_unknown_profile_is_an_error_that_names_the_ones_there_are(word):
    with pytest.raises(SourceError) as caught:
        open_source(word, SourceOptions(print))
    name = word.partition(":")[2]
    assert str(caught.value).partition("; did you mean")[0] == (
        f"there is no simulated profile {name!r}; there are sensor, server, payments, energy, web"
    )


def test_simulated_alone_gives_the_points_that_are_written_here(stop):
    found = readings(SimulatedSource(1, 0.02), stop, 3000, 1)
    assert [reading.value for reading in found[:3]] == pytest.approx(
        [53.34400012168422, 55.46263266252685, 54.920542920701884], rel=1e-12
    )
    assert found[-1].value == pytest.approx(55.76453765832523, rel=1e-12)
    assert sum(reading.label > 0 for reading in found) == 390


@pytest.mark.parametrize("profile", [None, "payments"])
def test_it_goes_on_behind_the_last_block(stop, profile):
    whole = readings(SimulatedSource(3, 0.1, profile), stop, 10, 30)
    first, second = SimulatedSource(3, 0.1, profile), SimulatedSource(3, 0.1, profile)
    readings(first, stop, 70, 2)
    assert second.restore(first.state()) == ""
    assert repr(readings(second, stop, 40, 4)) == repr(whole[140:])
