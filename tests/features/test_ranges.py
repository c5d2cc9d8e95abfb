import subprocess
import sys

import numpy as np
import pytest

from streamforest.features.observe import FEATURES_DTYPE
from streamforest.features.ranges import RANGES, check_records

#: Every integer of a detector's record takes every value that might lead compiled code astray.
FORGED = """
import sys
import numpy as np
from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.detectors.matrix_profile import MatrixProfileDetector
from streamforest.models.model_file import load_model

VALUES = (-(2**63), -(2**40), -2, -1, 512, 513, 1024, 2**15, 2**31, 2**40, 2**62, 2**63 - 1)
rng = np.random.default_rng(1)
values = np.sin(np.arange(1000) / 4) + rng.normal(0, 0.1, 1000) + 9.0 * (rng.random(1000) < 0.02)
times = 1.7e9 + 600.0 * np.arange(1000)

def integers(array, way=()):
    for name in array.dtype.names or ():
        yield from integers(array[name], (*way, name))
    if array.dtype.kind in "iu":
        yield way

def try_it(detector, whole, way, change):
    records = whole.copy()
    part = records
    for name in way:
        part = part[name]
    change(part)
    try:
        detector.restore(rest | {"records": records})
    except ValueError:
        return 1
    detector.update_many(values[700:1000], times[700:1000])
    return 0

detector = StreamDetector(load_model(sys.argv[1])) if len(sys.argv) > 1 else MatrixProfileDetector()
detector.update_many(values[:700], times[:700])
rest = detector.state()
whole = rest["records"]
refused = tried = 0
for way in integers(whole):
    for value in VALUES:
        def change(part):
            with np.errstate(all="ignore"):
                part[...] = np.array(value).astype(part.dtype)
        refused += try_it(detector, whole, way, change)
        tried += 1
features = ("features",) if "features" in whole.dtype.names else ("harness", "features")
for name in whole[features[0]].dtype.names if len(features) == 1 else whole["harness"]["features"].dtype.names:
    for value in (np.nan, np.inf, -np.inf, 1e308, -1.0):
        def change(part):
            if part.dtype.kind == "f":
                with np.errstate(all="ignore"):
                    part[...] = value
        try_it(detector, whole, (*features, name), change)
print(refused, tried)
"""


@pytest.mark.parametrize("detector", ["isolation-forest", "matrix-profile"])
def test_no_forged_record_leads_compiled_code_astray(tmp_path, model, detector):
    path = tmp_path / "model.joblib"
    from streamforest.models.model_file import save_model  # noqa: PLC0415 - as the other tests of files do

    save_model(model, path)
    words = [sys.executable, "-c", FORGED, *([str(path)] if detector == "isolation-forest" else [])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    refused, tried = map(int, done.stdout.split())
    assert tried > 300
    assert refused > tried / 2


def test_every_name_in_the_table_is_a_field():
    others = {"alive", "reason"}
    assert set(RANGES) - others <= set(FEATURES_DTYPE.names)


def test_what_stands_around_the_features_has_the_ranges_of_its_owners():
    from streamforest.judging.decide import NO_POINT  # noqa: PLC0415

    assert RANGES["alive"][0] == NO_POINT


def test_centres_that_are_not_in_use_are_refused():
    from streamforest.detectors.isolation_forest import new_records  # noqa: PLC0415

    records = new_records(3)
    check_records(records)
    records["features"]["centres"][1, 2, 0] = 5.0
    with pytest.raises(ValueError, match="centres"):
        check_records(records)
    records["features"]["centres_used"][1, 2] = 1
    check_records(records)
    records["features"]["centres"][1, 2, 0] = np.nan
    with pytest.raises(ValueError, match="centres"):
        check_records(records)
