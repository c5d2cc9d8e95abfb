"""Options that do not go together."""

from __future__ import annotations

import os
import stat
from datetime import UTC
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

from streamforest.program.options import OptionError, names_file
from streamforest.text import did_you_mean

#: Options that name files.
LOADED = "MODEL", "LSTM_MODEL", "TLS_CERT", "TLS_KEY"
WRITTEN = "LOG", "REPORT", "VERDICTS", "SUMMARY", "TOKEN_FILE", "CHECKPOINT", "REFITS"
#: Kinds of sources with columns, beside files.
KEYED_KINDS = ("mqtt:", "mqtts:", "kafka:", "duckdb:", "prometheus:")
#: What else is written beside the file of an option: ends of names.
DERIVED = {"LOG": ("1",), "CHECKPOINT": ("1", "new", "lock", "pages", "told"), "TOKEN_FILE": ("act",)}


def check_conflicts(options: SimpleNamespace) -> None:
    """Refuse options that do not go together.

    Raises
    ------
    OptionError
        Some do not; the message names them.
    """
    check_follow(options)
    check_dialect(options)
    check_holidays(options)
    check_keys(options)
    check_paths(options)
    check_page(options)
    check_ignored(options)
    check_served(options)


def check_served(options: SimpleNamespace) -> None:
    """Refuse to serve without the server, which is that of the browser's page.

    Raises
    ------
    OptionError
        It is asked for.
    """
    if options.source != "serve":
        return
    if options.explain:
        raise OptionError("EXPLAIN is on: there is nothing to explain before readings are posted, leave it away")
    if not options.visualization or options.view not in ("auto", "browser"):
        view = f"VIEW is {options.view!r}" if options.visualization else "VISUALIZATION is off"
        raise OptionError(f"SOURCE is 'serve' and {view}: readings are posted to the browser's page, so leave it away")


def check_ignored(options: SimpleNamespace) -> None:
    """Refuse maintenance windows that cannot be understood, and what does not go together with them.

    Raises
    ------
    OptionError
        One cannot be, or something does not.
    """
    if options.ignore is None:
        return
    for name in ("COMPARE", "REFITS", "CASE_ON_ANOMALY"):
        if (value := getattr(options, name.lower())) is not None:
            raise OptionError(f"IGNORE is given, which does not go together with {name}, {str(value)!r}")
    from streamforest.optional import MissingPackageError  # noqa: PLC0415
    from streamforest.program.maintenance_windows import MaintenanceWindows  # noqa: PLC0415 - numpy

    try:
        MaintenanceWindows(options.ignore)
    except (ValueError, MissingPackageError) as error:
        raise OptionError(f"IGNORE: {error}") from None


def check_page(options: SimpleNamespace) -> None:
    """Refuse an address or a certificate of the page that cannot be.

    Raises
    ------
    OptionError
        One is so; the message names it.
    """
    if options.tls_key is not None and options.tls_cert is None:
        raise OptionError(f"TLS_KEY is {str(options.tls_key)!r}: it is of a certificate, so give --tls-cert too")
    if options.base_url is not None:
        parts = urlsplit(options.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise OptionError(
                f"BASE_URL is {options.base_url!r}: it must be like https://example.org/pump, as visitors write it"
            )


def check_follow(options: SimpleNamespace) -> None:
    """Refuse to follow what is no file.

    Raises
    ------
    OptionError
        It is asked for, and the source is another one.
    """
    if options.follow and not names_file(options.source):
        raise OptionError(f"--follow is for files, and SOURCE is {options.source!r}: leave it away, or say --no-follow")


def check_dialect(options: SimpleNamespace) -> None:
    """Refuse a form of times or a zone that there is not, and what is both counter and gauge.

    Raises
    ------
    OptionError
        One of them is wrong.
    """
    if options.counter and options.gauge:
        raise OptionError("COUNTER and GAUGE are on: a counter is judged by its growth, a gauge as it is; choose one")
    form, zone = options.time_format, options.time_zone
    if form is None and zone is None:
        return
    from streamforest.reading.time_form import FORMATS, SINCE, zone_of  # noqa: PLC0415 - numpy

    if form is not None and "%" not in form and form.lower() not in FORMATS and not SINCE.fullmatch(form):
        raise OptionError(
            f"TIME_FORMAT is {form!r}: it must be one of {', '.join(FORMATS)}, a count such as 'seconds since "
            "2001-01-01', or a pattern such as %d.%m.%Y %H:%M"
        )
    if zone is not None:
        try:
            zone_of(zone)
        except ValueError as error:
            raise OptionError(f"TIME_ZONE is {zone!r}: {error}") from None


def check_holidays(options: SimpleNamespace) -> None:
    """Refuse holidays of a country that there is not, and of detectors that know no week.

    Raises
    ------
    OptionError
        Something is so, or the package that knows them is missing.
    """
    if options.holidays is None:
        return
    from streamforest.features.holidays import public_holidays  # noqa: PLC0415 - numpy
    from streamforest.optional import MissingPackageError  # noqa: PLC0415
    from streamforest.reading.time_form import zone_of  # noqa: PLC0415

    judges = options.compare or options.detector
    if "isolation-forest" not in judges and judges != "list":
        name = "DETECTOR" if options.compare is None else "COMPARE"
        raise OptionError(
            f"HOLIDAYS is {options.holidays!r} and {name} is {judges!r}: only isolation-forest knows them"
        )
    try:
        public_holidays(options.holidays, zone_of(options.time_zone) or UTC)
    except (ValueError, MissingPackageError) as error:
        raise OptionError(f"HOLIDAYS is {options.holidays!r}: {error}") from None


def check_keys(options: SimpleNamespace) -> None:
    """Refuse what does not go together with many streams side by side.

    Raises
    ------
    OptionError
        Something does not.
    """
    if options.key_column is None:
        if options.drop_after is not None:
            raise OptionError(
                f"DROP_AFTER is {options.drop_after:g}: it is for many streams, so give --key-column too, or none"
            )
        return
    kind = options.source.partition(":")[0]
    faults = {
        f"SOURCE is {options.source!r}, which has no columns: name a file, -, serve, {', '.join(KEYED_KINDS)}": (
            not names_file(options.source) and kind not in {"-", "serve", *(word.rstrip(":") for word in KEYED_KINDS)}
        ),
        f"DETECTOR is {options.detector!r}: many streams are judged by isolation-forest": (
            options.detector not in {"isolation-forest", "list"}
        ),
        f"COMPARE is {options.compare!r}: several detectors are compared on one stream": options.compare is not None,
        f"VERDICTS is {str(options.verdicts)!r}: verdicts are of one stream": options.verdicts is not None,
        "SNAPSHOT_ON_ANOMALY is on: that is for one stream, say --no-snapshot-on-anomaly": options.snapshot_on_anomaly,
        f"CASE_ON_ANOMALY is {str(options.case_on_anomaly)!r}: that is for one stream, say none": (
            options.case_on_anomaly is not None
        ),
    }
    for fault, is_there in faults.items():
        if is_there:
            raise OptionError(f"--key-column {options.key_column}: {fault}")


def names_to_compare(text: str | None) -> tuple[str, ...]:
    """The detectors to compare; none where that is not asked for.

    Raises
    ------
    OptionError
        They are too few, too many, unknown or the same.
    """
    if text is None:
        return ()
    from streamforest.detectors import DETECTORS  # noqa: PLC0415
    from streamforest.verdicts.comparison import LEAST_DETECTORS, MOST_DETECTORS  # noqa: PLC0415

    names = tuple(name.strip() for name in text.split(","))
    if not set(names) <= set(DETECTORS) or not LEAST_DETECTORS <= len(set(names)) == len(names) <= MOST_DETECTORS:
        guess = "".join(did_you_mean(name, DETECTORS) for name in names if name not in DETECTORS)
        raise OptionError(
            f"COMPARE is {text!r}: it must be {LEAST_DETECTORS} to {MOST_DETECTORS} different ones of "
            f"{', '.join(DETECTORS)}, with commas between{guess}"
        )
    return names


def check_paths(options: SimpleNamespace) -> None:
    """Keep the run from writing over what it reads, to a pipe or a device, or two outputs to one file.

    Raises
    ------
    OptionError
        Two paths are of one file, or one is of none.
    """
    for name in (*LOADED, *WRITTEN):
        path = getattr(options, name.lower())
        if path is not None:
            check_kind(name, path)
    taken = {"SOURCE": Path(options.source)} if names_file(options.source) else {}
    taken |= {name: path for name in LOADED if (path := getattr(options, name.lower())) is not None}
    for name in WRITTEN:
        path = getattr(options, name.lower())
        if path is None:
            continue
        paths = [path, *(path.with_name(f"{path.name}.{end}") for end in DERIVED.get(name, ()))]
        if options.source == "-" and any(map(_is_standard_input, paths)):
            raise OptionError(f"{name} is {str(path)!r}: that is the file of standard input, choose another one")
        for own, (other, file) in product(paths, taken.items()):
            if is_same_file(own, file):
                shown = f"{name} is {str(path)!r}" + (f", and {own.name} belongs to it" if own != path else "")
                raise OptionError(f"{shown}: that is the file of {other}, choose another one")
        taken |= {f"{name} ({own.name})" if own != path else name: own for own in paths}


def _is_standard_input(path: Path) -> bool:
    """Whether a path leads to the file that standard input is read from."""
    try:
        return stat.S_ISREG(os.fstat(0).st_mode) and os.path.samestat(path.stat(), os.fstat(0))
    except (OSError, ValueError):
        return False


def check_training(options: SimpleNamespace) -> None:
    """Keep a training from writing its model over what it learns from, to a pipe or a device.

    Raises
    ------
    OptionError
        It would.
    """
    if options.train_on is not None and is_same_file(options.model, options.train_on):
        raise OptionError(f"--output is {str(options.model)!r}: that is the file of --train-on, choose another one")
    check_kind("MODEL", options.model)


def check_kind(name: str, path: Path) -> None:
    """Refuse what is no file: a named pipe would hold up the run for its other end, a device would be replaced.

    Raises
    ------
    OptionError
        There is something else at the path. A log or report may go to the null device.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return  # an error when it is opened says what is wrong
    if stat.S_ISREG(mode) or (name in ("LOG", "REPORT") and is_same_file(path, Path(os.devnull))):
        return
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}
    what = kinds.get(stat.S_IFMT(mode), "a device")
    none = ", or none to write none" if name in WRITTEN else ""
    raise OptionError(f"{name} is {str(path)!r}: that is {what}, name a file{none}")


def is_same_file(path: Path, other: Path) -> bool:
    """Whether two paths lead to one file; files that are not there yet are the same if their paths are."""
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return os.path.abspath(path) == os.path.abspath(other)  # noqa: PTH100 - resolve() may fail where this does not
