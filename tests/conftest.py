import numpy as np
import pytest

import model_prod
from streamforest.simulation import Season, StreamProfile, default_profile, random_shape

#: Fewer streams than the production model's, all else as it is there.
SMALL = {"FIT_STREAMS": 100, "CALM_STREAMS": 300, "CHECK_STREAMS": 20, "CHECK_POINTS": 2000}


@pytest.fixture(scope="session")
def model():
    """The production model, made of fewer streams."""
    with pytest.MonkeyPatch.context() as patch:
        for name, number in SMALL.items():
            patch.setattr(model_prod, name, number)
        return model_prod.train(1, 0.001)[0]


@pytest.fixture(scope="session")
def profiles():
    """Streams of every make, by name."""
    daily = Season(24, random_shape(np.random.default_rng(3), 24, 5.0))
    return {
        "plain": StreamProfile(),
        "seasonal": default_profile(),
        "short season": StreamProfile(seasons=(daily,)),
        "drifting": StreamProfile(drift=5.0, drift_points=2000.0),
        "heavy-tailed": StreamProfile(noise="heavy-tailed"),
        "autocorrelated": StreamProfile(noise="autocorrelated"),
        "counts": StreamProfile(level=20.0, noise="counts"),
        "rare counts": StreamProfile(level=2.0, noise="counts"),
    }
