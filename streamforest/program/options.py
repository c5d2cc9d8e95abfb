"""Every option in one table: name, unit and range, checked alike for settings and command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, Literal, NoReturn

import streamforest
from streamforest.optional import MissingPackageError, optional
from streamforest.small_files import read_small_file
from streamforest.text import did_you_mean

Kind = Literal["switch", "integer", "number", "text", "choice", "path", "source"]

SETTINGS_FILE = "settings.py"
#: Words that name a source, alone or before a colon; any other word is the path of a file.
SOURCE_WORDS = (
    *("simulated", "-", "cpu", "memory", "network", "disk"),
    *("mqtt", "mqtts", "kafka", "duckdb", "sqlite", "xlsx", "prometheus", "price", "serve"),
)
NO_FILES: Mapping[str, Path] = MappingProxyType({})
SHELLS = ("bash", "zsh", "tcsh")
LONGEST_SHOWN = 80  # characters of a wrong value in a message
HELP_POSITION = 28  # column where an option's help begins


class OptionError(Exception):
    """A setting or command-line option is wrong; the message names it, its value and its range."""


def in_words(limit: float) -> str:
    """A limit as people write it, without an exponent."""
    return f"{limit:.6f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Option:
    """One parameter a user may change.

    Parameters
    ----------
    name : str
        Its name in settings.py; on the command line ``--`` and the name in lower case with hyphens.
    kind : str
        What its value is; a ``source`` is the one word that stands without an option's name.
    group : str
        Heading in the help.
    meaning : str
        What it does, in a few words.
    unit : str
        Of a number, in words.
    low, high : float or None
        Range of a number, limits included; None is no limit.
    choices : tuple of str
        The values allowed, for a choice.
    is_optional : bool
        Whether None is allowed (``none`` on the command line, in any case).
    placeholder : str
        What stands for the value in the help.
    only_in_settings : bool
        Whether the command line does not have it.
    is_repeated : bool
        Whether it may be given any number of times: its value is a tuple.
    default : object
        Its value where neither command line nor files have it, as settings.py is delivered; None where that is allowed.
    """

    name: str
    kind: Kind
    group: str
    meaning: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    is_optional: bool = False
    placeholder: str = ""
    only_in_settings: bool = False
    is_repeated: bool = False
    default: object = None

    @property
    def flag(self) -> str:
        """The option's name on the command line."""
        return self.name if self.kind == "source" else "--" + self.name.lower().replace("_", "-")

    @property
    def limits(self) -> str:
        """The range of a number in words; empty where there is none."""
        if self.low is None:
            return ""
        low = in_words(self.low)
        return f"at least {low}" if self.high is None else f"from {low} to {in_words(self.high)}"

    @property
    def allowed(self) -> str:
        """The values allowed, in words."""
        none = " or None" if self.is_optional else ""
        unit = f" ({self.unit})" if self.unit else ""
        match self.kind:
            case "switch":
                return "True or False"
            case "choice":
                return "one of " + ", ".join(self.choices) + none
            case "integer" | "number":
                article = "a whole number" if self.kind == "integer" else "a number"
                return f"{article} {self.limits}".rstrip() + none + unit
            case "path":
                return "a path" + none
            case "text" if self.is_repeated:
                return "texts that are not empty" + none
            case _:
                return "text that is not empty" + none


WATCHED = "what is watched"
JUDGED = "how it is judged"
ALARMED = "when it alarms"
OUTPUT = "where it goes"
LIVE_VIEW = "the live view"

OPTIONS: tuple[Option, ...] = (
    Option(
        "SOURCE",
        "source",
        WATCHED,
        "simulated[:PROFILE], cpu, memory, network or disk of this machine, the path of a file (CSV, JSON or lines of "
        "metrics, plain or compressed), - for standard input, or serve for readings that others post",
        default="simulated",
    ),
    Option("COLUMN", "text", WATCHED, "value column of a file", is_optional=True, placeholder="NAME"),
    Option("TIME_COLUMN", "text", WATCHED, "time column of a file", is_optional=True, placeholder="NAME"),
    Option("LABEL_COLUMN", "text", WATCHED, "ground truth column of a file", is_optional=True, placeholder="NAME"),
    Option(
        "KEY_COLUMN",
        "text",
        WATCHED,
        "column that says which of many streams a row is of: each is judged for itself",
        is_optional=True,
        placeholder="NAME",
    ),
    Option(
        "DROP_AFTER",
        "number",
        WATCHED,
        "silence after which one of many streams is dropped",
        "seconds",
        1,
        31_536_000,
        is_optional=True,
        placeholder="SECONDS",
    ),
    Option(
        "TIME_FORMAT",
        "text",
        WATCHED,
        "how times are written: d.m.y, d/m/y, m/d/y, y-m-d, yyyymmdd, unix, excel, matlab, filetime, ticks, elapsed, "
        "a count such as 'seconds since 2001-01-01', or a pattern such as %d.%m.%Y",
        is_optional=True,
        placeholder="FORM",
    ),
    Option(
        "TIME_ZONE",
        "text",
        WATCHED,
        "zone of times that have none: a name such as Europe/Vienna, or +02:00",
        is_optional=True,
        placeholder="ZONE",
    ),
    Option(
        "DECIMAL",
        "choice",
        WATCHED,
        "decimal sign of the values",
        choices=("dot", "comma"),
        is_optional=True,
    ),
    Option("COUNTER", "switch", WATCHED, "the values are a total that only grows: judge its growth", default=False),
    Option("GAUGE", "switch", WATCHED, "the values are no total: judge them as they are", default=False),
    Option("EXPLAIN", "switch", WATCHED, "print how the source is understood and its first readings", default=False),
    Option(
        "MOST_STREAMS",
        "integer",
        WATCHED,
        "streams at the same time; none for as many as free memory allows",
        "streams",
        1,
        10**6,
        is_optional=True,
        placeholder="N",
    ),
    Option(
        "MEMORY_LIMIT",
        "integer",
        WATCHED,
        "that the run may take",
        "megabytes",
        200,
        10**7,
        is_optional=True,
        placeholder="MB",
    ),
    Option("FOLLOW", "switch", WATCHED, "wait for more at the end of a file, as tail -F does", default=False),
    Option(
        "DELAY",
        "number",
        WATCHED,
        "pause between simulated or replayed points, 0 for as fast as it goes",
        "seconds",
        0,
        3600,
        placeholder="SECONDS",
        default=0.1,
    ),
    Option(
        "INTERVAL",
        "number",
        WATCHED,
        "between two looks at a source that has to be asked",
        "seconds",
        0.01,
        86_400,
        is_optional=True,
        placeholder="SECONDS",
    ),
    Option("MAX_POINTS", "integer", WATCHED, "end after so many points", "", 1, is_optional=True, placeholder="N"),
    Option(
        "OUTLIER_PROBABILITY",
        "number",
        WATCHED,
        "probability that a simulated point begins an anomaly",
        "",
        0,
        0.5,
        placeholder="P",
        default=0.02,
    ),
    Option("SEED", "integer", WATCHED, "start of all random numbers", "", 0, 2**32 - 1, placeholder="N", default=1),
    Option(
        "DETECTOR",
        "choice",
        JUDGED,
        "what judges the points; list shows what there is",
        choices=(
            *("isolation-forest", "sliding-forest", "lstm-autoencoder", "half-space-trees", "random-cut-forest"),
            *("matrix-profile", "z-score", "list"),
        ),
        placeholder="NAME",
        default="isolation-forest",
    ),
    Option(
        "COMPARE",
        "text",
        JUDGED,
        "detectors that judge along, after the one that decides, with commas between",
        is_optional=True,
        placeholder="A,B,C",
    ),
    Option(
        "MODEL",
        "path",
        JUDGED,
        "trained model, made by model_prod.py",
        placeholder="PATH",
        default="isolation_forest.joblib",
    ),
    Option(
        "LSTM_MODEL",
        "path",
        JUDGED,
        "weights of the LSTM autoencoder, made by model_prod.py",
        placeholder="PATH",
        default="lstm_autoencoder.npz",
    ),
    Option(
        "WINDOW",
        "integer",
        JUDGED,
        "newest points that sliding-forest is fitted on",
        "points",
        10,
        10**5,
        placeholder="N",
        default=1000,
    ),
    Option(
        "REFIT_EVERY",
        "integer",
        JUDGED,
        "points between two fits of it",
        "points",
        1,
        10**6,
        placeholder="N",
        default=250,
    ),
    Option(
        "HOLIDAYS",
        "text",
        JUDGED,
        "country or part of one (DE, DE-BY, US-NY) whose public holidays are judged as Sundays",
        is_optional=True,
        placeholder="COUNTRY",
    ),
    Option(
        "REFITS",
        "path",
        JUDGED,
        "file of which of its forests judged which point; one that is there is followed",
        is_optional=True,
        placeholder="PATH",
    ),
    Option(
        "ALARM_RATE",
        "number",
        ALARMED,
        "wanted share of normal points that are flagged",
        "",
        1e-6,
        0.2,
        placeholder="RATE",
        default=0.001,
    ),
    Option(
        "ALARMS_A_DAY",
        "number",
        ALARMED,
        "no more than so many, in place of the alarm rate; with --key-column of all streams together; needs times",
        "alarms a day",
        0.001,
        1000,
        is_optional=True,
        placeholder="N",
    ),
    Option(
        "DIRECTION",
        "choice",
        ALARMED,
        "values that alarm: above the expected (up), below it (down), or both",
        choices=("both", "up", "down"),
        default="both",
    ),
    Option(
        "MINIMUM_DEVIATION",
        "number",
        ALARMED,
        "least distance from the expected value",
        "in the stream's unit",
        0,
        placeholder="X",
        default=0,
    ),
    Option(
        "MINIMUM_DEVIATION_PERCENT",
        "number",
        ALARMED,
        "the same in percent of the expected value",
        "percent",
        0,
        placeholder="P",
        default=0,
    ),
    Option(
        "COOL_DOWN",
        "integer",
        ALARMED,
        "calm points in a row that an episode survives",
        "points",
        0,
        100_000,
        placeholder="N",
        default=5,
    ),
    Option(
        "IGNORE",
        "text",
        ALARMED,
        "maintenance window: judged, not learned, no alarms; from/to, weekly or an iCalendar file; any number of times",
        is_optional=True,
        is_repeated=True,
        placeholder="WINDOW",
    ),
    Option(
        "FORMAT",
        "choice",
        OUTPUT,
        "standard output: a line a point (auto: or an episode), a JSON object a point or for each event of an episode, "
        "or anomalies only",
        choices=("auto", "text", "json", "events", "quiet"),
        default="auto",
    ),
    Option("LOG", "path", OUTPUT, "log of episodes", is_optional=True, placeholder="PATH", default="anomaly.log"),
    Option(
        "LOG_BYTES", "integer", OUTPUT, "size of one log file", "bytes", 1000, 10**9, placeholder="N", default=1_000_000
    ),
    Option(
        "LOG_FILES", "integer", OUTPUT, "rotated log files that are kept", "files", 1, 1000, placeholder="N", default=5
    ),
    Option("REPORT", "path", OUTPUT, "CSV file, one row an anomalous point", is_optional=True, placeholder="PATH"),
    Option(
        "CHECKPOINT",
        "path",
        OUTPUT,
        "keep the run here, and go on from there at the next start",
        is_optional=True,
        placeholder="PATH",
    ),
    Option(
        "CHECKPOINT_EVERY",
        "number",
        OUTPUT,
        "between two times that it is written",
        "seconds",
        0.01,
        86_400,
        placeholder="SECONDS",
        default=10,
    ),
    Option(
        "VERDICTS",
        "path",
        OUTPUT,
        "what you say of alarms (keys n, y, m) and the rules you take are kept here, and hold at the next start",
        is_optional=True,
        placeholder="PATH",
    ),
    Option("SUMMARY", "path", OUTPUT, "HTML page of the run, written at its end", is_optional=True, placeholder="PATH"),
    Option(
        "ON_ANOMALY",
        "text",
        OUTPUT,
        "run once an episode, with the verdict as JSON on its standard input",
        is_optional=True,
        placeholder="COMMAND",
    ),
    Option(
        "ON_ANOMALY_SECONDS",
        "number",
        OUTPUT,
        "how long that command may run",
        "seconds",
        0.1,
        3600,
        placeholder="SECONDS",
        default=30,
    ),
    Option(
        "TELL",
        "text",
        OUTPUT,
        "send what happens to episodes to an address; any number of times",
        is_optional=True,
        is_repeated=True,
        placeholder="URL",
    ),
    Option("VISUALIZATION", "switch", LIVE_VIEW, "draw the stream while it arrives", default=True),
    Option(
        "VIEW",
        "choice",
        LIVE_VIEW,
        "where it is drawn",
        choices=("auto", "window", "terminal", "browser", "none"),
        default="auto",
    ),
    Option(
        "THEME",
        "choice",
        LIVE_VIEW,
        "colours of the picture; auto: those that the system has",
        choices=("light", "dark", "auto"),
        default="light",
    ),
    Option(
        "HISTORY",
        "integer",
        LIVE_VIEW,
        "points kept for going back",
        "points",
        500,
        10**7,
        placeholder="N",
        default=50_000,
    ),
    Option("IMAGES", "path", LIVE_VIEW, "folder of the saved pictures", placeholder="PATH", default="detected-image"),
    Option("SNAPSHOT_ON_ANOMALY", "switch", LIVE_VIEW, "save a picture at each episode's end", default=False),
    Option(
        "CASE_ON_ANOMALY",
        "path",
        LIVE_VIEW,
        "folder for a case file of each episode, which replay judges again",
        is_optional=True,
        placeholder="FOLDER",
    ),
    Option(
        "PORT",
        "integer",
        LIVE_VIEW,
        "of the browser's page, 0 for any free one",
        "",
        0,
        65535,
        placeholder="N",
        default=0,
    ),
    Option("PUBLIC", "switch", LIVE_VIEW, "let other machines reach the browser's page", default=False),
    Option(
        "TOKEN_FILE",
        "path",
        LIVE_VIEW,
        "where the token to look at the browser's page is kept from run to run; the one to act is in PATH.act",
        is_optional=True,
        placeholder="PATH",
    ),
    Option(
        "MOST_VISITORS",
        "integer",
        LIVE_VIEW,
        "connections to the browser's page at once; strangers' are closed first",
        "",
        1,
        1000,
        placeholder="N",
        default=64,
    ),
    Option(
        "BASE_URL",
        "text",
        LIVE_VIEW,
        "address of the browser's page as others reach it, behind a proxy",
        is_optional=True,
        placeholder="URL",
    ),
    Option(
        "TLS_CERT",
        "path",
        LIVE_VIEW,
        "certificate of the browser's page, PEM: it is served by https",
        is_optional=True,
        placeholder="PATH",
    ),
    Option(
        "TLS_KEY",
        "path",
        LIVE_VIEW,
        "key of that certificate, if it is in another file",
        is_optional=True,
        placeholder="PATH",
    ),
    Option(
        "GLOBAL_HOTKEY", "switch", LIVE_VIEW, "q saves a picture from any program", only_in_settings=True, default=False
    ),
)


def check(option: Option, value: object, where: str, shown: object) -> object:
    """The value in its own type, if the option allows it.

    Parameters
    ----------
    option : Option
        What the value is for.
    value : object
        From settings.py, or parsed from the command line.
    where : str
        The option as the user wrote it, for the message.
    shown : object
        The value as the user wrote it, for the message.

    Raises
    ------
    OptionError
        The value is of the wrong type or outside the range.
    """
    if value is None and option.is_optional:
        return None
    if option.is_repeated:
        values = value if isinstance(value, list | tuple) else (value,)
        return tuple(check(replace(option, is_repeated=False), one, where, shown) for one in values) or None
    if not _is_allowed(option, value):
        text = repr(shown)
        text = text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."
        raise OptionError(f"{where} is {text}: it must be {option.allowed}{did_you_mean(shown, option.choices)}")
    return float(value) if option.kind == "number" and isinstance(value, int) else value


def _is_allowed(option: Option, value: object) -> bool:
    match option.kind:
        case "switch":
            return isinstance(value, bool)
        case "choice":
            return value in option.choices
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool) and _is_inside(option, value)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and _is_inside(option, value)
        case _:
            return isinstance(value, str) and bool(value.strip()) and "\0" not in value


def _is_inside(option: Option, number: float) -> bool:
    """Whether a number is in the option's range; NaN and infinities never are."""
    largest = sys.float_info.max if option.kind == "number" else float("inf")
    low = -largest if option.low is None else option.low
    high = largest if option.high is None else option.high
    return low <= number <= high


def parse(option: Option, text: str) -> object:
    """What a word on the command line stands for; the word itself where it is not of the option's kind."""
    if option.is_optional and text.lower() == "none":
        return None
    try:
        if option.kind == "integer":
            return int(text)
        if option.kind == "number":
            return float(text)
    except ValueError:
        pass  # `check` says what it must be
    return text


def check_settings(settings: Mapping[str, object], table: Sequence[Option] = OPTIONS) -> dict[str, object]:
    """All settings, each checked.

    Parameters
    ----------
    settings : mapping
        Names and values as settings.py defines them; only names in capitals count. What is missing has its default.
    table : sequence of Option
        The options there are.

    Raises
    ------
    OptionError
        A setting is unknown or outside its range.
    """
    names = [option.name for option in table]
    for name in settings:
        if name.isupper() and not name.startswith("_") and name not in names:
            raise OptionError(f"{name} in {SETTINGS_FILE} is no setting{did_you_mean(name, names)}")
    values = {option.name: settings.get(option.name, option.default) for option in table}
    return {
        option.name: check(
            *(option, values[option.name], f"{option.name} in {SETTINGS_FILE}", values[option.name]),
        )
        for option in table
    }


def read_options(
    arguments: Sequence[str],
    settings: Mapping[str, object],
    folder: Path,
    *,
    program: str,
    description: str,
    flags: Mapping[str, str] | None = None,
    table: Sequence[Option] = OPTIONS,
    shipped: Mapping[str, Path] = NO_FILES,
) -> SimpleNamespace:
    """All options: of the command line, else of its ``--config``, else of the settings, else the default; checked.

    Parameters
    ----------
    arguments : sequence of str
        The command line without the program's name.
    settings : mapping
        ``vars(settings)``: names and values.
    folder : Path
        What relative paths in the settings are relative to.
    program, description : str
        For the help.
    flags : mapping, optional
        Settings that this program's command line has, each with its name there; all under their own without it.
    table : sequence of Option
        The options there are.
    shipped : mapping, optional
        Setting to the file that takes the place of its default where there is none.

    Returns
    -------
    SimpleNamespace
        Every setting by its name in lower case; paths as ``Path``.

    Raises
    ------
    OptionError
        A setting or an option is wrong.
    SystemExit
        After ``--help``, ``--version`` and ``--print-completion``.
    """
    values = check_settings(settings, table)
    folders = dict.fromkeys(values, folder)
    shown = {option.name: option for option in table if not option.only_in_settings}
    flags = {name: option.flag for name, option in shown.items()} if flags is None else flags
    parser = _parser([shown[name] for name in flags], values, program, description, flags)
    given = _parsed(parser, arguments)
    if config := given.pop("config", None):
        found = read_config(Path(config), table)
        values |= found
        folders |= dict.fromkeys(found, Path(config).parent)
    for name, raw in given.items():
        option = shown[name]
        values[name] = check(option, _word(option, raw), flags[name], raw)
        folders[name] = Path()
    placed = {option.name: _in_place(option, values[option.name], folders[option.name]) for option in table}
    for option in table:
        path = placed[option.name]
        is_usual = option.name not in given and values[option.name] == option.default
        if is_usual and option.name in shipped and isinstance(path, Path) and not path.exists():
            placed[option.name] = shipped[option.name]
    return SimpleNamespace(**{name.lower(): value for name, value in placed.items()})


def _word(option: Option, raw: object) -> object:
    """What stands on the command line for an option; of a repeated one all that stands behind the last "none"."""
    if isinstance(raw, str):
        return parse(option, raw)
    if isinstance(raw, list):
        words = [parse(option, one) for one in raw]
        last = max((at for at, word in enumerate(words) if word is None), default=-1)
        return words[last + 1 :]
    return raw


def _parsed(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
    """What the command line has, by the names of the settings; raises OptionError where it is not understood."""
    understood, unknown = parser.parse_known_args(arguments)
    if unknown:
        flags = [flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")]
        flag = next((word for word in unknown if word.startswith("-")), None)
        if flag is None:
            raise OptionError(f"{unknown[0]!r} is one word too many; --help shows what there is")
        flag = flag.partition("=")[0]
        raise OptionError(f"{flag} is no option{did_you_mean(flag, flags) or '; --help shows what there is'}")
    return vars(understood)


def read_config(path: Path, table: Sequence[Option] = OPTIONS) -> dict[str, object]:
    """The options that a TOML file has, by the names of the settings, each checked.

    A key is an option's name as on the command line or in settings.py: ``alarm-rate``, ``alarm_rate`` or
    ``ALARM_RATE``. TOML has no None: ``"none"`` stands for it.

    Raises
    ------
    OptionError
        The file cannot be read, or an option in it is unknown or outside its range.
    """
    import tomllib  # noqa: PLC0415 - only where there is such a file

    try:
        content = tomllib.loads(read_small_file(path).decode())
    except OSError as error:
        raise OptionError(f"--config is {str(path)!r}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise OptionError(f"{path} is no TOML file: {error}") from None
    options = {option.name: option for option in table}
    found: dict[str, object] = {}
    for key, raw in content.items():
        name = key.upper().replace("-", "_")
        if name not in options:
            names = [option.name.lower().replace("_", "-") for option in table]
            raise OptionError(f"{key} in {path} is no option{did_you_mean(key.lower().replace('_', '-'), names)}")
        option = options[name]
        value = None if option.is_optional and isinstance(raw, str) and raw.lower() == "none" else raw
        found[name] = check(option, value, f"{key} in {path}", raw)
    return found


def _in_place(option: Option, value: object, folder: Path) -> object:
    """The value with its path, if it is one, made relative to the folder it was meant for."""
    if option.kind == "path" and isinstance(value, str):
        return folder / value
    if option.kind == "source" and isinstance(value, str) and names_file(value) and folder != Path():
        with suppress(OSError):  # a word that cannot be the name of a file
            return str(folder / value) if (folder / value).is_file() else value
    return value


def names_file(source: str) -> bool:
    """Whether a source is a file: every word is that names no other source, and ``./cpu`` is no such word.

    Examples
    --------
    >>> [names_file(word) for word in ("cpu", "simulated:web", "./cpu", "cpu.csv")]
    [False, False, True, True]
    """
    return source.partition(":")[0] not in SOURCE_WORDS


class _Parser(argparse.ArgumentParser):
    """A parser that raises what is wrong with a command line."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(message)


class _PrintCompletion(argparse.Action):
    """Print what a shell needs to complete the options, and end."""

    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> NoReturn:
        """``rest`` is the namespace, the shell and the flag."""
        try:
            shtab = optional("shtab", "completion")
        except MissingPackageError as error:
            raise OptionError(str(error)) from None
        for action in parser._actions:
            kind, choices = getattr(action, "kind", ""), getattr(action, "words", ())
            if choices:
                action.choices = choices
            elif kind in {"path", "source"}:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
        print(shtab.complete(parser, shell=str(rest[1])))
        parser.exit()


def _parser(
    options: Collection[Option],
    values: Mapping[str, object],
    program: str,
    description: str,
    flags: Mapping[str, str],
) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=program,
        usage=f"{program} {'[SOURCE] ' if any(option.kind == 'source' for option in options) else ''}[options]",
        description=description,
        epilog="The command line wins, then --config, then settings.py, then the defaults. "
        "A path given here is relative to the folder you are in.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=partial(argparse.HelpFormatter, max_help_position=HELP_POSITION),
    )
    parser.add_argument("--version", action="version", version=f"streamforest {streamforest.__version__}")
    parser.add_argument("--config", metavar="FILE", help="TOML file with options: delay = 0.5")
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        metavar="SHELL",
        choices=SHELLS,
        help=f"print what completes these options: {', '.join(SHELLS)}",
    )
    groups: dict[str, argparse._ArgumentGroup] = {}
    for option in options:
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        _add(groups[option.group], option, values[option.name], flags[option.name])
    return parser


def _add(group: argparse._ArgumentGroup, option: Option, default: object, flag: str) -> None:
    """One option as argparse shows and reads it; the check comes later, the same as for settings."""
    text = _help(option, default)
    if option.kind == "switch":
        group.add_argument(flag, dest=option.name, action=argparse.BooleanOptionalAction, help=text)
        return
    if option.kind == "source":
        action: Any = group.add_argument(option.name, nargs="?", help=text)
    else:
        placeholder = option.placeholder or "|".join(option.choices)
        way = "append" if option.is_repeated else "store"
        action = group.add_argument(flag, dest=option.name, metavar=placeholder, help=text, action=way)
    action.kind, action.words = option.kind, option.choices  # for the shell; argparse would refuse in its own words


def _help(option: Option, default: object) -> str:
    limits = f"{option.limits} {option.unit}".strip() if option.limits else ""
    choices = ", ".join(option.choices) if option.placeholder else ""
    none = "or none" if option.is_optional and default is not None else ""
    shown = "none" if default is None else {"True": "on", "False": "off"}.get(str(default), str(default))
    notes = "; ".join(note for note in (limits, choices, none, f"default {shown}") if note)
    return f"{option.meaning} ({notes})".replace("%", "%%")
