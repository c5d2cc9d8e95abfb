import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from streamforest.views.png import encode_png


@given(st.integers(1, 40), st.integers(1, 40), st.integers(3, 4), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_an_encoded_picture_is_the_same_when_decoded(height, width, channels, random):
    pixels = np.frombuffer(random.randbytes(height * width * channels), np.uint8).reshape(height, width, channels)
    found = Image.open(io.BytesIO(encode_png(pixels)))
    assert found.mode == "RGB"
    assert np.array_equal(np.asarray(found), pixels[..., :3])
