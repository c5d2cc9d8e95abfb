"""Small autoencoders with random weights, for all tests that need one and no training."""

import numpy as np

from streamforest.features.windows import N_SCALES
from streamforest.models.lstm import LstmModel, Weights


def random_weights(seed=1, units=5, code=3, size=0.7):
    rng = np.random.default_rng(seed)
    shapes = ((2, 4 * units), (units, 4 * units), (4 * units,), (units, code), (code,))
    shapes += ((code, 4 * units), (units, 4 * units), (4 * units,), (units, 1), (1,))
    return Weights(*(rng.normal(scale=size, size=shape).astype(np.float32) for shape in shapes))


def random_model(seed=1, **more):
    errors = np.tile([1.0, 2.5, 4.5], (N_SCALES, 1))
    return LstmModel(random_weights(seed, **more), errors, seed, {"python": "3"}, {"rows": 1.0})
