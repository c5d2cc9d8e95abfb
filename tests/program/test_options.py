import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import settings
from streamforest.program.options import OPTIONS, SOURCE_WORDS, OptionError, check, check_settings, parse, read_options
from streamforest.sources import SOURCES

BY_NAME = {option.name: option for option in OPTIONS}
NUMBERS = [option for option in OPTIONS if option.kind in {"integer", "number"}]


def read(*arguments, changed=None, folder=Path("project"), **more):
    values = {**vars(settings), **(changed or {})}
    return read_options(arguments, values, folder, program="main.py", description="", **more)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--delay", "-1"], "--delay is '-1': it must be a number from 0 to 3600 (seconds)"),
        (["--delay", "soon"], "--delay is 'soon': it must be a number from 0 to 3600 (seconds)"),
        (["--delay", "nan"], "--delay is 'nan': it must be a number from 0 to 3600 (seconds)"),
        (["--alarm-rate", "0.5"], "--alarm-rate is '0.5': it must be a number from 0.000001 to 0.2"),
        (
            ["--alarms-a-day", "0"],
            "--alarms-a-day is '0': it must be a number from 0.001 to 1000 or None (alarms a day)",
        ),
        (["--direction", "left"], "--direction is 'left': it must be one of both, up, down"),
        (
            ["--minimum-deviation", "inf"],
            "--minimum-deviation is 'inf': it must be a number at least 0 (in the stream's unit)",
        ),
        (
            ["--minimum-deviation-percent", "-1"],
            "--minimum-deviation-percent is '-1': it must be a number at least 0 (percent)",
        ),
        (["--cool-down", "2.5"], "--cool-down is '2.5': it must be a whole number from 0 to 100000 (points)"),
        (["--seed", "1.5"], "--seed is '1.5': it must be a whole number from 0 to 4294967295"),
        (["--max-points", "0"], "--max-points is '0': it must be a whole number at least 1 or None"),
        (["--view", "tv"], "--view is 'tv': it must be one of auto, window, terminal, browser, none"),
        (["--log", ""], "--log is '': it must be a path or None"),
        ([""], "SOURCE is '': it must be text that is not empty"),
    ],
)
def test_a_wrong_option_is_named_as_it_was_written_with_value_and_range(arguments, message):
    with pytest.raises(OptionError) as caught:
        read(*arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DELAY", -1, "DELAY in settings.py is -1: it must be a number from 0 to 3600 (seconds)"),
        ("DELAY", "0.1", "DELAY in settings.py is '0.1': it must be a number from 0 to 3600 (seconds)"),
        ("DELAY", True, "DELAY in settings.py is True: it must be a number from 0 to 3600 (seconds)"),
        ("DELAY", None, "DELAY in settings.py is None: it must be a number from 0 to 3600 (seconds)"),
        (
            "MINIMUM_DEVIATION",
            10**400,
            f"MINIMUM_DEVIATION in settings.py is 1{79 * '0'}...: it must be a number at least 0 "
            "(in the stream's unit)",
        ),
        ("SEED", True, "SEED in settings.py is True: it must be a whole number from 0 to 4294967295"),
        ("VISUALIZATION", 1, "VISUALIZATION in settings.py is 1: it must be True or False"),
        ("LOG", "a\0b", "LOG in settings.py is 'a\\x00b': it must be a path or None"),
        ("THEME", ["light"], "THEME in settings.py is ['light']: it must be one of light, dark, auto"),
    ],
)
def test_a_wrong_setting_is_named_with_value_and_range(name, value, message):
    with pytest.raises(OptionError) as caught:
        read(changed={name: value})
    assert str(caught.value) == message


def test_a_long_wrong_value_is_cut_in_the_message():
    with pytest.raises(OptionError) as caught:
        read("--seed", "x" * 10_000)
    assert len(str(caught.value)) < 200


def test_a_misspelt_setting_is_refused_with_a_guess():
    with pytest.raises(OptionError, match=r"^DELAYS in settings.py is no setting; did you mean DELAY\?$"):
        read(changed={"DELAYS": 1})


def test_a_name_that_is_not_in_capitals_is_no_setting():
    read(changed={"delays": 1, "Path": Path, "__name__": "settings", "_DELAYS": 1})


def test_a_missing_setting_has_its_default():
    values = {name: value for name, value in vars(settings).items() if name != "SEED"}
    assert check_settings(values)["SEED"] == BY_NAME["SEED"].default == 1
    assert check_settings({}) == {option.name: option.default for option in OPTIONS}


def test_the_command_line_wins_then_the_file_then_the_settings(tmp_path):
    path = tmp_path / "here.toml"
    path.write_text('delay = 2\nalarm-rate = 0.01\nMAX_POINTS = "none"\nlog = "a.log"\nglobal_hotkey = true\n')
    options = read("--config", str(path), "--delay", "3", changed={"MAX_POINTS": 7, "SEED": 9})
    assert (options.delay, options.alarm_rate, options.max_points, options.seed) == (3.0, 0.01, None, 9)
    assert options.log == tmp_path / "a.log", "beside the file that names it"
    assert options.global_hotkey is True
    assert not hasattr(options, "config")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("delay = -1", "delay in {} is -1: it must be a number from 0 to 3600 (seconds)"),
        ("delay = '1'", "delay in {} is '1': it must be a number from 0 to 3600 (seconds)"),
        ("dalay = 1", "dalay in {} is no option; did you mean delay?"),
        ("detector = 'zscore'", "z-score, list; did you mean z-score?"),
        ("delay = ", "{} is no TOML file: "),
        ("delay = " + "[" * 5000, "{} is no TOML file: "),
        ("[delay]", "delay in {} is {{}}: it must be a number"),
        (None, "--config is '{}': No such file or directory"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(text, message, tmp_path):
    path = tmp_path / "here.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(OptionError) as caught:
        read("--config", str(path))
    assert message.format(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_config_that_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero"):
        with pytest.raises(OptionError, match=f"--config is '{path}': that is no file"):
            read("--config", path)


def test_a_wrong_setting_is_told_even_where_the_command_line_overrides_it():
    with pytest.raises(OptionError, match=r"^DELAY in settings\.py"):
        read("--delay", "1", changed={"DELAY": -1})


def test_the_command_line_overrides_the_settings():
    options = read("in.csv", "--delay", "2", "--no-visualization", "--max-points", "7", "--log", "none")
    assert (options.source, options.delay, options.visualization, options.max_points) == ("in.csv", 2.0, False, 7)
    assert options.log is None
    assert options.seed == settings.SEED


def test_paths_are_relative_to_the_project_in_settings_and_to_the_user_on_the_command_line(tmp_path):
    options = read("--log", "mine.log", folder=tmp_path, changed={"REPORT": "report.csv"})
    assert (options.log, options.report) == (Path("mine.log"), tmp_path / "report.csv")


def test_the_words_that_name_a_source_are_those_of_the_table_of_sources():
    assert set(SOURCE_WORDS) == set(SOURCES)


def test_a_word_that_names_a_source_is_no_file_of_that_name_and_with_its_folder_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cpu").touch()
    assert read("cpu").source == "cpu"
    assert read("./cpu").source == "./cpu"
    assert read(folder=tmp_path, changed={"SOURCE": "cpu"}).source == "cpu"
    assert read(folder=tmp_path, changed={"SOURCE": "./cpu"}).source == str(tmp_path / "cpu")


def test_a_source_file_in_the_settings_is_found_in_the_project_folder(tmp_path):
    (tmp_path / "in.csv").touch()
    assert read(folder=tmp_path, changed={"SOURCE": "in.csv"}).source == str(tmp_path / "in.csv")
    assert read("in.csv", folder=tmp_path).source == "in.csv"
    assert read("-", folder=tmp_path).source == "-"
    assert read(folder=tmp_path).source == "simulated"


def test_a_program_may_have_some_of_the_options_and_rename_one():
    options = read("--output", "m.joblib", "--seed", "3", flags={"SEED": "--seed", "MODEL": "--output"})
    assert (options.model, options.seed) == (Path("m.joblib"), 3)
    with pytest.raises(OptionError, match=r"^--output is ''"):
        read("--output", "", flags={"SEED": "--seed", "MODEL": "--output"})


@pytest.mark.parametrize(
    "arguments", [["--delays", "1"], ["--dela", "1"], ["a", "b"], ["--delay"], ["--global-hotkey"]]
)
def test_a_command_line_that_is_not_understood_is_refused_in_one_line(arguments):
    with pytest.raises(OptionError) as caught:
        read(*arguments)
    assert len(str(caught.value).splitlines()) == 1


def test_the_help_names_every_option_with_range_unit_and_default(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit) as caught:
        read("--help", changed={"LOG": "100%.log"})
    text = capsys.readouterr().out
    assert caught.value.code == 0
    for option in OPTIONS:
        assert (option.flag in text) is not option.only_in_settings
        assert option.only_in_settings or f"{option.limits} {option.unit}".strip() in text
    assert "from 0 to 3600 seconds; default 0.1" in text
    assert "default 100%.log" in text
    assert "default on" in text


@given(option=st.sampled_from(NUMBERS), number=st.floats() | st.integers())
def test_both_ways_of_giving_a_number_are_checked_alike(option, number):
    def outcome(value, shown):
        try:
            return check(option, value, "X", shown)
        except OptionError:
            return OptionError

    assert repr(outcome(number, number)) == repr(outcome(parse(option, repr(number)), repr(number)))


@given(option=st.sampled_from(NUMBERS), number=st.floats(allow_nan=False) | st.integers())
def test_a_number_is_allowed_exactly_inside_its_range(option, number):
    low = -math.inf if option.low is None else option.low
    high = math.inf if option.high is None else option.high
    is_inside = low <= number <= high and number < math.inf
    is_allowed = is_inside and (option.kind == "number" or isinstance(number, int))
    try:
        check(option, number, "X", number)
    except OptionError:
        assert not is_allowed
    else:
        assert is_allowed


def message_of(option, word):
    """What is said of a word; empty where it is taken."""
    try:
        check(option, parse(option, word), option.flag, word)
    except OptionError as error:
        return str(error)
    return ""


@given(st.sampled_from(OPTIONS), st.text())
def test_any_word_is_taken_or_refused_in_one_line(option, word):
    assert len(message_of(option, word).splitlines()) <= 1


def test_a_repeated_option_is_a_tuple_wherever_it_stands(tmp_path):
    def tell(*words, settings=None):
        return read_options(words, settings or {}, tmp_path, program="x", description="").tell

    assert tell() is None
    assert tell("--tell", "a://b", "--tell", "c://d") == ("a://b", "c://d")
    assert tell("--tell", "a://b", "--tell", "none", "--tell", "c://d") == ("c://d",)
    assert tell("--tell", "none") is None
    assert tell(settings={"TELL": ["a://b"]}) == ("a://b",)
    assert tell(settings={"TELL": "a://b"}) == ("a://b",)
    (tmp_path / "x.toml").write_text('tell = ["a://b", "c://d"]', encoding="utf-8")
    assert tell("--config", str(tmp_path / "x.toml")) == ("a://b", "c://d")
    for wrong in ([1], [""], 7):
        with pytest.raises(OptionError, match=r"TELL in settings\.py is"):
            tell(settings={"TELL": wrong})
