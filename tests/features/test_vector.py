import numpy as np

from streamforest.compiled import compiled
from streamforest.features import observe as features
from streamforest.features.vector import (
    BUFFERS_DTYPE,
    HIGHEST,
    MEAN,
    STRANGENESS,
    VECTOR_NAMES,
    describe_stream,
    look,
    new_buffers,
    tell_expected,
    vectorise,
)
from streamforest.protocols import VERDICT_DTYPE


@compiled
def _vectors_of(surprises, strangenesses, vectors):
    for i in range(len(surprises)):
        vectorise(surprises[i], strangenesses[i], vectors[i])


def test_the_vector_is_the_logarithm_of_the_surprises_the_strangeness_a_mean_and_the_highest():
    rng = np.random.default_rng(1)
    surprises, strangenesses = rng.exponential(5.0, (50, features.N_FEATURES)), rng.exponential(1.0, 50)
    vectors = np.empty((50, len(VECTOR_NAMES)), dtype=np.float32)
    _vectors_of(surprises, strangenesses, vectors)
    logarithms = np.log1p(surprises / 3.0)
    np.testing.assert_allclose(vectors[:, : features.N_FEATURES], logarithms, rtol=1e-6)
    np.testing.assert_allclose(vectors[:, STRANGENESS], strangenesses, rtol=1e-6)
    of = [VECTOR_NAMES.index(name) for name in ("change", "shift", "phase", "shape")]
    np.testing.assert_allclose(vectors[:, MEAN], logarithms[:, of].mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(vectors[:, HIGHEST], logarithms.max(axis=1), rtol=1e-6)
    assert (*features.FEATURE_NAMES, "strangeness", "mean", "highest") == VECTOR_NAMES
    assert (len(VECTOR_NAMES), VECTOR_NAMES[HIGHEST], BUFFERS_DTYPE["vector"].shape) == (14, "highest", (14,))


def test_a_look_gives_the_vector_that_a_whole_stream_is_described_by_and_the_band_around_what_was_expected():
    values = np.random.default_rng(2).normal(50.0, 3.0, 300)
    vectors = np.empty((300, len(VECTOR_NAMES)), dtype=np.float32)
    describe_stream(features.new_state(), values, np.full(300, np.nan), vectors)
    state, buffers, verdicts = features.new_state(), new_buffers()[0], np.zeros(300, VERDICT_DTYPE)
    for i, value in enumerate(values):
        look(state[0], value, np.nan, 0.001, buffers)
        assert buffers["has_vector"] == (i >= features.WARM_UP)
        if buffers["has_vector"]:
            assert buffers["vector"].tobytes() == vectors[i].tobytes()
            tell_expected(buffers["outlook"], verdicts[i])
    later = verdicts[features.WARM_UP :]
    assert ((later["lower"] < later["expected"]) & (later["expected"] < later["upper"])).all()


def test_values_at_the_edge_of_the_numbers_give_a_finite_band():
    state, buffers, verdicts = features.new_state(), new_buffers()[0], np.zeros(60, VERDICT_DTYPE)
    for i in range(60):
        look(state[0], 1.7e308 * (-1) ** i, np.nan, 0.001, buffers)
        tell_expected(buffers["outlook"], verdicts[i])
    for name in ("lower", "expected", "upper"):
        assert np.isfinite(verdicts[name]).all()
