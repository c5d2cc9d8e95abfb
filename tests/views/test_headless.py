import os
import time

import pytest

from streamforest.terminal.actions import Actions
from streamforest.views.headless import HeadlessView


@pytest.fixture
def actions():
    actions = Actions()
    yield actions
    actions.close()


def test_a_wait_ends_when_something_is_asked_for(actions):
    actions.ask("report")
    began = time.monotonic()
    HeadlessView(actions).poll(30)
    assert time.monotonic() - began < 10


def test_a_wait_ends_when_a_key_is_typed(actions):
    reads, writes = os.pipe()
    os.write(writes, b"q")
    began = time.monotonic()
    HeadlessView(actions, lambda: (reads,)).poll(30)
    assert time.monotonic() - began < 10
    os.close(reads)
    os.close(writes)


def test_commands_change_nothing_and_closing_twice_is_fine(actions):
    view = HeadlessView(actions)
    view.command("pause")
    assert view.is_open
    view.close()
    view.close()
    assert not view.is_open
