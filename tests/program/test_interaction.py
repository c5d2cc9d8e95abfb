import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from streamforest.judging.rules import Rules
from streamforest.program import assembly, interaction, train
from streamforest.program.description import Command
from streamforest.protocols import POINT_DTYPE, VERDICT_DTYPE, SourceError
from streamforest.terminal import keys
from streamforest.verdicts.episodes import CoolDown
from streamforest.views import Choice, ViewError
from tests.chosen import options_of, run_of


def noise(n=400, **values):
    """Points of white noise with some values put in by place."""
    points = np.zeros(n, POINT_DTYPE)
    points["time"], points["label"] = np.nan, -1
    points["value"] = np.random.default_rng(1).normal(size=n)
    for place, value in values.items():
        points["value"][int(place[1:])] = value
    return points


@pytest.fixture
def watched():
    """A run that is watched, and the sinks that watching needs."""
    with run_of("--direction", "up", "--cool-down", "2", "--snapshot-on-anomaly") as run:
        watch, sinks = interaction.make_watch(run)
        yield run, watch, sinks
        watch.close()
        watch.actions.close()


def test_whatever_may_judge_while_somebody_watches_goes_by_the_same_rules(watched):
    run, _, _ = watched
    rules = assembly.rules_of(run.options)
    assert rules == Rules(direction="up", cool_down=2)
    assert assembly.detector_options(run.options, run.source).rules == rules
    (verdicts,) = run.judge.judge(noise(_200=-90.0, _300=90.0))
    assert not verdicts["is_anomaly"][200]
    assert verdicts["is_anomaly"][300]


def test_an_episode_whose_picture_is_wanted_ends_by_the_same_cool_down(watched):
    _, watch, sinks = watched
    verdicts = np.zeros(30, VERDICT_DTYPE)
    verdicts["index"], verdicts["p_value"] = np.arange(30), 0.5
    verdicts["is_anomaly"][[10, 13, 17]] = True
    ends = next(sink for sink in sinks if sink.name == "episode ends")
    pictures = []
    watch.actions.wake = lambda: pictures.append("wanted")
    ends.write(verdicts)
    assert len(pictures) == 2, "two calm points belong to an episode, three end it"


def test_a_detector_that_is_switched_to_learns_what_is_kept_for_the_picture(watched):
    run, watch, _ = watched
    watch.memory.write(run.judge.judge(noise())[0])
    run.judge.switch("z-score")  # the same one: nothing changes, and it is one that there is
    with pytest.raises(ValueError, match="detector is 'none'"):
        run.judge.switch("none")
    assert run.judge.name == "z-score"
    assert "isolation-forest" in run.judge.detectors


def test_pictures_tell_no_secrets():
    texts = interaction.picture_texts(options_of("x://me:secret@host", "--on-anomaly", "curl the-secret"))
    assert "secret" not in str(texts)
    assert "ON_ANOMALY=curl ***" in texts["Settings"]


@pytest.fixture
def somebody(monkeypatch):
    """Puts somebody at the terminal, who answers; gives what is trained for whom."""
    trained = []

    def answer(text):
        monkeypatch.setattr(interaction, "is_attended", lambda: True)
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        monkeypatch.setattr(
            train, "train_and_save", lambda options, _program: trained.append((options.detector, options.model))
        )
        return trained

    return answer


def command_of(*words):
    options = options_of(*words)
    options.compare = None
    return Command("main.py", words, options)


@pytest.mark.parametrize(
    ("text", "is_trained"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_a_model_that_is_not_there_is_trained_if_somebody_says_so(somebody, tmp_path, capsys, text, is_trained):
    trained = somebody(text)
    path = tmp_path / "forest.joblib"
    interaction.offer_models(command_of("--model", str(path)))
    assert (
        capsys.readouterr().err == f"There is no model at {path}, which isolation-forest needs. Train one now? [y/N] "
    )
    assert trained == ([("isolation-forest", path)] if is_trained else [])


def test_nothing_is_offered_where_no_model_is_missing_or_nobody_can_answer(somebody, tmp_path, capsys, monkeypatch):
    trained = somebody("y\ny\n")
    (tmp_path / "forest.joblib").write_bytes(b"")
    interaction.offer_models(command_of("--model", str(tmp_path / "forest.joblib")))
    interaction.offer_models(command_of("--detector", "z-score"))
    interaction.offer_models(command_of("-", "--model", str(tmp_path / "none")))
    monkeypatch.setattr(interaction, "is_attended", lambda: False)
    interaction.offer_models(command_of("--model", str(tmp_path / "none")))
    assert (trained, capsys.readouterr().err) == ([], "")


@pytest.mark.parametrize(
    ("words", "is_free"),
    [
        ([], True),
        (["--format", "text"], False),
        (["--format", "json"], False),
        (["--format", "quiet"], False),
        (["-"], False),
    ],
)
def test_a_terminal_is_free_for_a_picture_unless_lines_were_asked_for_or_numbers_are_typed(monkeypatch, words, is_free):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", Screen())
    assert interaction.is_drawable(options_of(*words)) is is_free
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not interaction.is_drawable(options_of(*words)), "what reads a pipe may write to the terminal too"


def chosen(options):
    """What a view is opened by of a run."""
    return SimpleNamespace(options=options, cool_down=CoolDown(options.cool_down))


class ShownWatch:
    """Keeps the view that it is to show."""

    def __init__(self, theme="light"):
        self.output = SimpleNamespace(theme=theme)
        self.views, self.stays = [], None

    def show(self, view, *, stays):
        self.views.append(view)
        self.stays = stays


def test_the_view_that_was_chosen_is_opened_with_what_the_options_say_of_it(monkeypatch):
    asked = {}

    def make(choice, watch, **options):
        asked.update(options, choice=choice, watch=watch)
        return "a view"

    monkeypatch.setattr(interaction, "make_view", make)
    watch, choice = ShownWatch("dark"), Choice("browser", "")
    options = options_of("--theme", "dark", "--port", "8123", "--public", "--token-file", "a.token")
    interaction.open_view(choice, watch, chosen(options))
    assert (watch.views, watch.stays) == (["a view"], False)
    assert (asked["choice"], asked["watch"]) == (choice, watch)
    access = asked["access"]
    assert (asked["theme"], access.port, access.public) == ("dark", 8123, True)
    assert access.token_file == options.token_file


def test_a_page_that_programs_use_stays_and_without_it_there_is_no_run(monkeypatch):
    watch, api = ShownWatch(), object()
    monkeypatch.setattr(interaction, "make_view", lambda *_parts, **given: given["api"])
    interaction.open_view(Choice("browser", ""), watch, chosen(options_of("serve")), api)
    assert (watch.views, watch.stays) == ([api], True)

    def fail(*_parts, **_options):
        raise ViewError("the port is taken")

    monkeypatch.setattr(interaction, "make_view", fail)
    with pytest.raises(ViewError, match="taken"):
        interaction.open_view(Choice("browser", ""), watch, chosen(options_of("serve")), api)


def test_a_run_that_is_served_has_a_page_whatever_screen_there_is(monkeypatch):
    monkeypatch.setattr(interaction, "is_attended", lambda: False)
    assert interaction.choose_view(options_of("serve")).view == "browser"
    monkeypatch.setattr(interaction, "choose", lambda *_parts, **_options: Choice("none", "no tornado"))
    with pytest.raises(SourceError, match="no tornado"):
        interaction.choose_view(options_of("serve"))


def test_pictures_have_the_colours_of_the_system_where_that_is_asked_for_and_the_page_those_of_its_visitors(
    monkeypatch,
):
    themes = []
    monkeypatch.setattr(interaction, "system_theme", lambda _environment: "dark")
    monkeypatch.setattr(interaction, "make_view", lambda *_parts, theme, **_options: themes.append(theme))
    options = options_of("--theme", "auto")
    assert interaction.theme_of(options) == "dark"
    assert interaction.theme_of(options_of()) == "light"
    for view in ("window", "browser"):
        interaction.open_view(Choice(view, ""), ShownWatch("dark"), chosen(options))
    assert themes == ["dark", "light"]


def test_a_view_that_cannot_be_opened_is_told_and_the_run_goes_on_without(monkeypatch, capsys):
    def fail(*_parts, **_options):
        raise ViewError("no window by Tk: it is broken")

    monkeypatch.setattr(interaction, "make_view", fail)
    watch = ShownWatch()
    interaction.open_view(Choice("window", "", "Tk"), watch, chosen(options_of()))
    assert watch.views == []
    assert capsys.readouterr().err == "view: none; no window by Tk: it is broken\n"


def test_no_view_is_shown_if_none_was_chosen():
    watch = ShownWatch()
    interaction.open_view(Choice("none", ""), watch, chosen(options_of()))
    assert watch.views == []


@pytest.fixture
def listened(monkeypatch):
    """What of the keyboard was listened to, and by what function."""
    found = {}
    monkeypatch.setattr(keys, "listen", lambda ask: found.setdefault("terminal", ask) and "keys of the terminal")
    monkeypatch.setattr(keys, "listen_everywhere", lambda ask, _notify: found.setdefault("everywhere", ask))
    return found


def everywhere():
    """Options of which one stands in the settings only: keys that are heard whatever has the focus."""
    options = options_of("cpu")
    options.global_hotkey = True
    return options


def keyed_watch():
    heard = []
    return SimpleNamespace(actions=SimpleNamespace(ask=print), hear=heard.append, heard=heard)


def test_keys_of_the_terminal_are_heard_if_there_is_one(monkeypatch, listened):
    monkeypatch.setattr(interaction, "is_terminal", lambda _stream: True)
    watch = keyed_watch()
    interaction.listen_to_keys(watch, options_of("cpu"))
    assert listened == {"terminal": print}
    assert watch.heard == ["keys of the terminal"]
    assert "q picture" in interaction.key_line(watch, options_of("cpu"))


@pytest.mark.parametrize(("source", "is_terminal"), [("cpu", False), ("-", True)])
def test_what_is_typed_is_no_key_without_a_terminal_or_where_it_is_the_stream(
    monkeypatch, listened, source, is_terminal
):
    monkeypatch.setattr(interaction, "is_terminal", lambda _stream: is_terminal)
    watch = keyed_watch()
    interaction.listen_to_keys(watch, options_of(source))
    assert listened == {}
    assert watch.heard == []
    assert interaction.key_line(watch, options_of(source)) == "Ctrl+C ends the run"


def test_keys_are_heard_everywhere_only_if_that_is_asked_for(monkeypatch, listened):
    monkeypatch.setattr(interaction, "is_terminal", lambda _stream: False)
    interaction.listen_to_keys(keyed_watch(), everywhere())
    assert listened == {"everywhere": print}


def test_a_run_that_nobody_watches_listens_to_no_key(listened):
    interaction.listen_to_keys(None, everywhere())
    assert listened == {}
