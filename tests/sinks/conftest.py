import pytest

from tests.listeners import Listener


@pytest.fixture
def web():
    """A server on the loopback that keeps what it is sent."""
    listener = Listener()
    yield listener
    listener.close()
