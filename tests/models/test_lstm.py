import json
import os

import numpy as np
import pytest

from streamforest.features.windows import WINDOW
from streamforest.models.forest import ModelError
from streamforest.models.lstm import (
    MOST_BYTES,
    Weights,
    load_lstm,
    new_lstm_buffers,
    reconstruct,
    reconstruct_newest,
    save_lstm,
)
from tests import naive
from tests.networks import random_model, random_weights


def windows(n, seed=1, unknown=0.2):
    rng = np.random.default_rng(seed)
    made = rng.normal(scale=3.0, size=(n, WINDOW)).astype(np.float32)
    made[rng.random(made.shape) < unknown] = np.nan
    return made


# The forward pass


@pytest.mark.parametrize(("units", "code"), [(1, 1), (5, 3), (16, 8)])
def test_the_compiled_pass_is_the_slow_twins(units, code):
    weights = random_weights(units, units=units, code=code)
    buffers, points = new_lstm_buffers(weights), np.empty(WINDOW, dtype=np.float32)
    for window in [*windows(5), np.full(WINDOW, np.nan, np.float32), *windows(2, unknown=0.0)]:
        buffers.window[:] = window
        reconstruct(weights, buffers, points)
        np.testing.assert_allclose(points, naive.lstm_reconstruct(weights, window), atol=1e-5)


def test_the_newest_point_alone_has_the_same_bits_as_in_the_whole_window_and_is_hidden():
    weights, many = random_weights(), windows(20, unknown=0.0)
    newest = np.empty((20, 1), dtype=np.float32)
    reconstruct_newest(weights, many, newest)
    buffers, points = new_lstm_buffers(weights), np.empty(WINDOW, dtype=np.float32)
    for window, point in zip(many, newest, strict=True):
        buffers.window[:] = window
        buffers.window[-1] = np.nan
        reconstruct(weights, buffers, points)
        assert points[0] == point[0]
    many[:, -1] += 100.0
    again = np.empty_like(newest)
    reconstruct_newest(weights, many, again)
    assert again.tobytes() == newest.tobytes()


def test_far_inputs_and_large_weights_give_finite_numbers():
    weights = random_weights(size=100.0)
    points = np.empty((10, 1), dtype=np.float32)
    reconstruct_newest(weights, 1e6 * windows(10, unknown=0.0), points)
    assert np.isfinite(points).all()


# The file


def test_what_is_saved_is_what_is_loaded(tmp_path):
    made = random_model()
    save_lstm(made, tmp_path / "made.npz")
    found = load_lstm(tmp_path / "made.npz")
    for one, other in zip(made.weights, found.weights, strict=True):
        assert one.tobytes() == other.tobytes()
    assert found.errors.tolist() == made.errors.tolist()
    assert found[2:] == made[2:]
    save_lstm(found, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "made.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.npz", "made.npz"]


def test_a_missing_file_is_told_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(ModelError, match=r"no weights at .*none\.npz: make one with 'python model_prod.py --detector"):
        load_lstm(tmp_path / "none.npz")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        load_lstm(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="no regular file"):
        load_lstm(tmp_path / "pipe")


@pytest.mark.parametrize("cut", [0, 1, 100, 1000, -1, -200])
def test_a_cut_file_is_told_in_one_line(cut, tmp_path):
    save_lstm(random_model(), tmp_path / "made.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "made.npz").read_bytes()[:cut])
    with pytest.raises(ModelError, match=r"no weights of this program .*model_prod\.py") as caught:
        load_lstm(tmp_path / "cut.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_file_is_told_or_still_holds_weights(seed, tmp_path):
    save_lstm(random_model(), tmp_path / "made.npz")
    content, rng = bytearray((tmp_path / "made.npz").read_bytes()), np.random.default_rng(seed)
    for at in rng.integers(len(content), size=3):
        content[at] = int(rng.integers(256))
    (tmp_path / "made.npz").write_bytes(bytes(content))
    try:
        found = load_lstm(tmp_path / "made.npz")
    except ModelError:
        return
    assert all(np.isfinite(array).all() for array in found.weights)


def changed(tmp_path, **changes):
    """A file that is right but for some parts; None leaves one out."""
    save_lstm(random_model(), tmp_path / "made.npz")
    with np.load(tmp_path / "made.npz") as arrays:
        parts = {name: arrays[name] for name in arrays.files} | changes
    np.savez(tmp_path / "made.npz", **{name: part for name, part in parts.items() if part is not None})
    return tmp_path / "made.npz"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"code": None}, "parts"),
        ({"more": np.zeros(1)}, "parts"),
        ({"about": np.array("no json")}, "model_prod"),
        ({"about": np.array(json.dumps({"format": 99, "window": 32, "scales": [1]}))}, "version"),
        ({"about": np.array("[]")}, "model_prod"),
        ({"output_bias": np.array([np.nan], np.float32)}, "output_bias"),
        ({"output_bias": np.zeros(1)}, "output_bias"),
        ({"output": np.zeros((4, 1), np.float32)}, "output"),
        ({"encoder_recurrent": np.zeros((1000, 4000), np.float32)}, "10,000,000 bytes"),
        ({"encoder_recurrent": np.zeros((300, 1200), np.float32)}, "300 units"),
        ({"encoder_recurrent": np.zeros((), np.float32)}, "model_prod"),
        ({"errors": np.ones((3, 3))}, "rise"),
        ({"errors": np.ones((2, 3))}, "errors"),
    ],
)
def test_a_file_with_anything_else_in_it_is_refused(changes, said, tmp_path):
    with pytest.raises(ModelError, match=said):
        load_lstm(changed(tmp_path, **changes))


def test_objects_are_never_unpickled(tmp_path):
    path = changed(tmp_path, about=np.array([{"format": 1}], dtype=object))
    with pytest.raises(ModelError, match="model_prod"):
        load_lstm(path)


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "huge.npz").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ModelError, match="bytes"):
        load_lstm(tmp_path / "huge.npz")


def test_a_file_that_unpacks_to_a_huge_one_is_not_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", about=np.zeros(MOST_BYTES, np.int8))
    assert (tmp_path / "bomb.npz").stat().st_size < 100_000
    with pytest.raises(ModelError, match="unpacks"):
        load_lstm(tmp_path / "bomb.npz")


def test_nothing_is_left_where_saving_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(np, "savez", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_lstm(random_model(), tmp_path / "made.npz")
    assert not list(tmp_path.iterdir())


def test_the_weights_are_named_in_the_order_of_the_framework():
    assert Weights._fields[0] == "encoder_input"
    assert Weights._fields[-1] == "output_bias"
