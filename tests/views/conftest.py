import pytest

from tests.visits import Run


@pytest.fixture
def run(tmp_path):
    with Run(tmp_path) as started:
        yield started
