import copy
import pickle

import numpy as np

import streamforest
from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.protocols import VERDICT_DTYPE
from streamforest.verdict_array import VerdictArray, as_shown

VALUES = np.random.default_rng(5).normal(20.0, 1.0, 300)


def test_verdicts_are_shown_as_a_picture_and_so_is_a_run_that_is_cut_from_them(model):
    verdicts = StreamDetector(model).update_many(VALUES)
    assert verdicts._repr_html_().startswith("<p>300 points, ")
    assert '<img src="data:image/png' in verdicts._repr_html_()
    assert verdicts[:50]._repr_html_().startswith("<p>50 points")
    assert StreamDetector(model).update_many(VALUES[:1])._repr_html_().startswith("<p>1 points")
    for other in (verdicts["score"], verdicts[::2], verdicts["score"] > 0.5):
        assert other._repr_html_() is None
    assert streamforest.html_of("text") is None


def test_they_are_arrays_as_any_other():
    array = np.zeros(5, VERDICT_DTYPE)
    array["value"] = np.arange(5)
    verdicts = as_shown(array)
    assert isinstance(verdicts, np.ndarray)
    assert np.shares_memory(verdicts, array)
    assert (verdicts == array).all()
    assert repr(verdicts) == repr(array)
    assert str(verdicts) == str(array)
    assert verdicts["value"].sum() == 10.0
    assert type(verdicts[0]) is np.void
    for again in (pickle.loads(pickle.dumps(verdicts)), copy.deepcopy(verdicts), verdicts.copy()):
        assert type(again) is VerdictArray
        assert again.tobytes() == array.tobytes()
    assert type(verdicts.view(np.ndarray)) is np.ndarray
