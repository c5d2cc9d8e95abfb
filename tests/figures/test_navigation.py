import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.figures.navigation import Navigation, live_view
from streamforest.verdicts.history import History
from tests.pictures import pixels, shown, status, stream


def test_pausing_keeps_the_points_in_view_though_the_history_has_dropped_them():
    rows = stream(5_000)
    history, view = shown(rows[:900], capacity=1_000)
    view.command("pause")
    view.refresh()
    before, image = view.visible, pixels(view)[120:]
    history.write(rows[900:])
    assert not view.refresh()
    assert view.visible == before
    assert np.array_equal(image, pixels(view)[120:])
    view.command("pause")
    view.refresh()
    assert view.visible[1] == 4_999


def test_back_and_forward_stay_within_what_is_kept():
    _, view = shown(stream(3_000))
    ends = set()
    for _ in range(20):
        view.command("back")
        view.refresh()
    assert view.visible[0] == 0
    for _ in range(20):
        view.command("forward")
        view.refresh()
        ends.add(view.visible[1])
    assert max(ends) == 2_999
    assert view.paused
    view.command("live")
    assert not view.paused


def test_wider_and_narrower_change_the_width_within_bounds():
    history, view = shown(stream(3_000), capacity=2_000)
    for _ in range(15):
        view.command("wider")
        view.refresh()
    assert view.navigation.view.width == history.capacity
    for _ in range(15):
        view.command("narrower")
        view.refresh()
    assert view.navigation.view.width == 20
    assert view.visible[1] == 2_999


def test_last_anomaly_goes_to_it_and_then_to_the_one_before_and_tells_the_reason():
    _, view = shown(stream(490))
    for index in (410, 333, 260):
        view.command("last-anomaly")
        view.refresh()
        assert view.visible[0] <= index <= view.visible[1]
        assert view.selected.text.get_text().startswith(f"spike\npoint {index}, 2014-")


def test_the_newest_alarm_is_gone_to_from_another_one_and_though_it_came_since_the_view_stands_still():
    history, view = shown(stream(480))
    view.command("previous-anomaly")
    view.command("previous-anomaly")
    view.refresh()
    assert view.navigation.selected == 333
    view.command("last-anomaly")
    assert view.navigation.selected == 410
    view.command("last-anomaly")
    assert view.navigation.selected == 333
    view.command("next-anomaly")
    history.write(stream(200, 480))
    view.command("last-anomaly")
    assert view.navigation.selected == 650


def test_a_selected_point_stays_where_it_is_while_keys_zoom():
    _, view = shown(stream(3_000))
    view.command("last-anomaly")
    view.command("forward")
    view.refresh()
    place = view.navigation.selected - view.navigation.view.left
    width = view.navigation.view.width
    assert place != width // 2
    view.command("narrower")
    view.refresh()
    assert abs(2 * (view.navigation.selected - view.navigation.view.left) - place) <= 2
    assert view.navigation.view.width == width // 2
    view.command("wider")
    view.refresh()
    assert abs(view.navigation.selected - view.navigation.view.left - place) <= 2


def test_an_alarm_before_and_behind_is_gone_to_from_wherever_the_view_stands():
    rows = stream(3_000)
    rows["is_anomaly"][700:704], rows["episode"][700:704] = True, 77  # one episode of several points
    rows["score"][701] = 0.9  # its peak
    _, view = shown(rows)
    went = []
    for command in ("previous-anomaly",) * 5 + ("next-anomaly",) * 6:
        view.command(command)
        view.refresh()
        went.append(view.navigation.selected)
    assert went == [2_650, 2_150, 1_650, 1_150, 701, 1_150, 1_650, 2_150, 2_650, 2_650, 2_650]
    view.command("back")
    view.refresh()
    view.navigation.selected = None
    view.command("next-anomaly")  # from the middle of the view
    assert view.navigation.selected == 2_650
    view.command("live")
    view.command("next-anomaly")
    assert not view.paused


@settings(max_examples=30, deadline=None)
@given(episodes=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 5)), max_size=12))
def test_stepping_back_and_forth_visits_every_episode_once(episodes):
    rows = stream(700)
    rows["is_anomaly"], rows["episode"] = False, 0
    end, ends = 0, []
    for number, (calm, points) in enumerate(episodes, 1):
        rows["is_anomaly"][end + calm : end + calm + points] = True
        rows["episode"][end + calm : end + calm + points] = number
        end += calm + points
        ends.append(number)
    history = History(1_000)
    history.write(rows)
    navigation = Navigation(history)
    navigation.advance(10.0)
    seen = []
    for command in ("previous-anomaly",) * len(ends) + ("next-anomaly",) * len(ends):
        navigation.command(command)
        navigation.advance(10.0)
        seen.append(int(rows["episode"][navigation.selected]))
    assert seen == ends[::-1] + ends[1:] + ends[-1:]


def test_last_anomaly_without_one_leaves_the_view_live():
    _, view = shown(stream(100))
    view.command("last-anomaly")
    assert not view.paused


def test_an_unknown_command_is_refused_with_the_known_ones():
    _, view = shown(stream(10))
    with pytest.raises(ValueError, match=r"command is 'jump'.*last-anomaly"):
        view.command("jump")


def test_a_full_view_moves_on_by_a_fiftieth_of_its_width_when_points_have_come_for_it():
    history, view = shown(stream(900))
    ends = []
    for _ in range(40):
        history.write(stream(1, history.end))
        view.refresh()
        ends.append(view.navigation.view.right)
    assert set(np.diff(ends)) == {0, 10}
    assert all(0 <= end - n < 10 for n, end in enumerate(ends, 901))


@settings(max_examples=200)
@given(
    first=st.integers(0, 10**9), n=st.integers(0, 200_000), span=st.integers(20, 50_000), steps=st.sampled_from([8, 50])
)
def test_the_live_view_has_the_newest_point_and_is_never_wider_than_asked(first, n, span, steps):
    view = live_view(first, first + n, span, steps)
    assert view.width <= span
    assert view.right >= first + n
    assert view.right - (first + n) <= max(64, view.width)
    if n >= 2 * span:  # at most one step is blank
        assert view.right - (first + n) <= view.width // steps + 1


def test_the_view_grows_by_itself_for_fast_streams_until_the_user_chooses():
    _, view = shown(stream(3_000), lambda: status(points_per_second=10_000.0))
    view.refresh()
    assert view.navigation.span == 50_000
    view.command("narrower")
    width = view.navigation.span
    view.refresh()
    assert view.navigation.span == width


def test_a_shown_point_is_in_the_middle_with_its_numbers_and_one_that_is_not_kept_is_refused():
    _, view = shown(stream(1500), capacity=1000)
    assert view.show(1000)
    view.refresh()
    assert view.visible == (750, 1249)
    assert view.navigation.selected == 1000
    assert not view.show(499)
    assert not view.show(1500)


@pytest.mark.parametrize(("n", "capacity"), [(3, 500), (2000, 50_000), (2000, 700)])
def test_all_that_is_kept_can_be_shown(n, capacity):
    _, view = shown(stream(n), capacity=capacity)
    view.show_all()
    view.refresh()
    assert view.visible == (max(0, n - capacity), n - 1)
    assert view.picture().visible == view.visible
