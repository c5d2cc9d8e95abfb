import select
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.figures.navigation import COMMANDS
from streamforest.terminal.actions import MOST_WAITING, NAMES, REPEAT, VIEW_COMMANDS, Actions


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def actions(clock):
    actions = Actions(clock)
    yield actions
    actions.close()


def test_what_is_asked_for_is_taken_once_and_in_order(actions):
    for name in ("pause", "report", "pause", "detector:z-score"):
        actions.ask(name)
    assert actions.is_waiting
    assert actions.take() == ["pause", "report", "pause", "detector:z-score"]
    assert not actions.is_waiting
    assert actions.take() == []


def test_the_commands_of_the_picture_are_those_of_the_figure():
    assert VIEW_COMMANDS == COMMANDS
    assert set(COMMANDS) <= NAMES


def test_an_action_that_does_not_exist_is_refused(actions):
    with pytest.raises(ValueError, match="action is 'quit'; it must be detector:NAME or one of back, "):
        actions.ask("quit")


@given(gaps=st.lists(st.floats(0, 2), max_size=30))
def test_presses_of_q_count_as_one_as_long_as_none_is_a_third_of_a_second_after_the_one_before(gaps):
    clock = Clock()
    actions = Actions(clock)
    presses = 1
    actions.ask("snapshot")
    for gap in gaps:
        before, clock.now = clock.now, clock.now + gap
        presses += clock.now - before >= REPEAT
        actions.ask("snapshot")
        actions.ask("pause")
    assert actions.take().count("snapshot") == presses
    actions.close()


def test_a_press_taken_already_still_counts_as_the_same_press(actions, clock):
    actions.ask("snapshot")
    actions.take()
    clock.now += 0.2
    actions.ask("snapshot")
    assert actions.take() == []


def test_repeats_heard_after_a_picture_that_took_long_to_save_are_the_same_press(actions, clock):
    actions.ask("snapshot")
    actions.take()
    clock.now += 2
    actions.ignore_repeats()
    actions.ask("snapshot")
    assert actions.take() == []
    clock.now += 2
    actions.ask("snapshot")
    assert actions.take() == ["snapshot"]


def test_asking_wakes_select_in_another_thread(actions):
    thread = threading.Timer(0.05, actions.ask, ["report"])
    thread.start()
    assert select.select([actions], [], [], 10)[0] == [actions]
    assert actions.take() == ["report"]
    assert select.select([actions], [], [], 0)[0] == []
    thread.join()


def test_waking_without_an_action_ends_a_wait_too(actions):
    actions.wake()
    actions.wait(10)
    assert actions.take() == []


def test_threads_lose_nothing_and_a_stuck_key_does_not_fill_memory(actions):
    threads = [threading.Thread(target=lambda: [actions.ask("pause") for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert actions.take() == ["pause"] * 800
    for _ in range(3 * MOST_WAITING):
        actions.ask("pause")
    assert len(actions.take()) == MOST_WAITING


def test_asking_after_the_end_does_nothing(actions):
    actions.close()
    actions.ask("pause")
