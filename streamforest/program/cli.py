"""The command line: options are read and checked, then the run is made; what goes wrong is said in one line."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, NoReturn

from streamforest.models.shipped import SHIPPED_MODEL
from streamforest.program import detect_limits_command, replay_command
from streamforest.program.allocator import LEAST_ADDRESSES, can_load_packages, give_back_large_blocks
from streamforest.program.complaint import complain
from streamforest.program.conflicts import check_conflicts, names_to_compare
from streamforest.program.options import OptionError, read_options
from streamforest.terminal.console import flush_or_drop, leave, say, with_patience

if TYPE_CHECKING:
    from streamforest.connections.outbox import Receiver
    from streamforest.program.loop import Loop

DESCRIPTION = "Watch a stream of numbers and mark what is unusual in it while it happens."
DONE, FAILED, WRONG_USE = 0, 1, 2
#: Word in front of the command line -> what is done instead of a run.
COMMANDS = {
    detect_limits_command.WORD: detect_limits_command.main,
    replay_command.WORD: replay_command.main,
}
#: Seconds that a message waits for its reader.
MESSAGE_PATIENCE = 1.0
#: Models that come with the package, by the setting that names the file that is used in place of it.
SHIPPED = {"MODEL": SHIPPED_MODEL}
#: What a mistake in settings.py may raise while it is read.
SETTINGS_FAULTS = (
    SyntaxError,
    NameError,
    AttributeError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    ImportError,
)


def no_settings() -> Mapping[str, object]:
    """The settings of an installed program: all are the built-in ones."""
    return {}


def main(
    arguments: Sequence[str],
    program: str,
    load_settings: Callable[[], Mapping[str, object]] = no_settings,
    folder: Path = Path(),
    judge_all: Callable[[Loop], None] | None = None,
) -> int:
    """Run the program; returns its exit code.

    Parameters
    ----------
    arguments : sequence of str
        The command line without the program's name.
    program : str
        Its name, for messages.
    load_settings : callable
        Gives the user's settings by name; those that it lacks are the built-in ones.
    folder : Path
        What paths in the settings are relative to.
    judge_all : callable, optional
        The endless loop; :meth:`Loop.run` without it.
    """
    os.environ.pop("MPLBACKEND", None)  # the views choose for themselves, and matplotlib fails at a name that it lacks
    if arguments and (command := COMMANDS.get(arguments[0])):
        return command(arguments[1:], program, lambda: settings_of(load_settings), folder, shipped=SHIPPED)
    try:
        options = read_options(
            *(arguments, settings_of(load_settings), folder),
            program=program,
            description=DESCRIPTION,
            shipped=SHIPPED,
        )
        if not can_load_packages():
            least = f"{LEAST_ADDRESSES // 1024:,} KB"
            say(f"{program}: the limit on memory (ulimit -v) is below {least}, which loading alone takes")
            return FAILED
        check_conflicts(options)
        options.compare = names_to_compare(options.compare)
        words = words_on_anomaly(options)
        receivers = receivers_of(options)
    except OptionError as error:
        complain(program, error)
        return WRONG_USE
    if options.detector == "list":
        print(list_of_detectors())
        return DONE
    give_back_large_blocks()
    try:
        # numpy and more: after the command line was found to be right
        from streamforest.program.description import Command  # noqa: PLC0415
        from streamforest.program.loop import Loop  # noqa: PLC0415
        from streamforest.program.run import run  # noqa: PLC0415

    except ModuleNotFoundError as error:
        say(missing(program, error))
        return FAILED
    except (ImportError, OSError, MemoryError) as error:
        say(not_loaded(program, error))
        return FAILED
    try:
        return run(Command(program, arguments, options, words, receivers), judge_all or Loop.run)
    except (ImportError, MemoryError, OSError, RuntimeError, SystemError) as error:
        line = why_ended(program, error)
        if not line:
            raise
        say(line)
        return FAILED


def why_ended(program: str, error: Exception) -> str:
    """A fault of a run that a missing package or a limit of the system explains, in a line; empty for any other."""
    line = ""
    match error:
        case ModuleNotFoundError():
            line = missing(program, error)
        case ImportError():
            line = not_loaded(program, error)
        case MemoryError():
            line = f"{program}: there is not enough memory; see --memory-limit and --most-streams"
        case OSError() if error.errno in (errno.EMFILE, errno.ENFILE):
            line = f"{program}: {error.strerror}: the limit on them (ulimit -n) is too low"
        case SystemError():  # compiled code that had not even the memory for its own exception
            line = f"{program}: the interpreter failed: {error}; is there a limit on memory (ulimit -a)?"
        case RuntimeError() if "thread" in str(error):
            line = f"{program}: {error}; is there a limit on memory or processes (ulimit -a)?"
    return line


def end(main: Callable[[Sequence[str]], int], arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a main function on the command line and end the program with its exit code."""
    sys.stdout = with_patience(sys.stdout, "standard output", None)
    sys.stderr = with_patience(sys.stderr, "standard error", MESSAGE_PATIENCE)
    try:
        exit_code = main(sys.argv[1:] if arguments is None else arguments)
    finally:
        flush_or_drop()
    leave(exit_code)  # all is closed; Python's own end takes up to a second more, and a toolkit's may abort


def missing(program: str, error: ModuleNotFoundError) -> str:
    """What is to be done where a package that every run needs is not installed."""
    return f"{program}: {error.name} is not installed; run 'python -m pip install -r requirements.txt'"


def not_loaded(program: str, error: Exception) -> str:
    """What may be wrong where the system does not load a library of a package."""
    why = str(error).partition("\n")[0][:200] or "there is not enough memory"
    return f"{program}: a package cannot be loaded: {why}; is there a limit on memory or open files (ulimit -a)?"


def settings_of(load_settings: Callable[[], Mapping[str, object]]) -> Mapping[str, object]:
    """The user's settings.

    Raises
    ------
    OptionError
        The file is no valid Python, or it is not there.
    """
    try:
        return load_settings()
    except SETTINGS_FAULTS as error:
        raise OptionError(f"settings.py cannot be read: {error}") from None


def list_of_detectors() -> str:
    """The detectors that there are: name, cost, memory and a line each."""
    from streamforest.detectors import DETECTORS  # noqa: PLC0415 - see run

    rows = [("name", "a point", "a stream", "what it is")]
    rows += [(name, entry.cost, entry.memory, entry.line) for name, entry in DETECTORS.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def words_on_anomaly(options: SimpleNamespace) -> Sequence[str]:
    """The program that an episode runs, found, and its arguments; empty where none is wanted.

    Raises
    ------
    OptionError
        It cannot be run.
    """
    if options.on_anomaly is None:
        return ()
    from streamforest.sinks.hook import words_of  # noqa: PLC0415 - see run

    try:
        return words_of(options.on_anomaly)
    except ValueError as error:
        raise OptionError(f"ON_ANOMALY is {options.on_anomaly!r}: {error}") from None


def receivers_of(options: SimpleNamespace) -> Sequence[tuple[str, Receiver]]:
    """Who gets a message of what happens to episodes: a name without secrets, and what delivers messages there.

    Raises
    ------
    OptionError
        An address is wrong, or a package that it needs is not installed.
    """
    if not options.tell:
        return []
    from streamforest.connections.targets import read_target, shown_target  # noqa: PLC0415 - only where it is asked for
    from streamforest.optional import MissingPackageError  # noqa: PLC0415
    from streamforest.sinks import open_receiver  # noqa: PLC0415

    found: dict[str, Receiver] = {}
    for word in options.tell or ():
        try:
            target = read_target(word)
            receiver = open_receiver(target)
        except (ValueError, MissingPackageError) as error:
            raise OptionError(f"TELL is {shown_target(word)!r}: {error}") from None
        number = sum(name.partition(" ")[0] == target.name for name in found)
        found[f"{target.name} ({number + 1})" if number else target.name] = receiver
    return [*found.items()]
