"""Model files that want to do harm, by the thousand: none may run code, crash, hang or take much memory."""

from __future__ import annotations

import argparse
import bz2
import gzip
import hashlib
import json
import lzma
import math
import os
import pickle
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
#: What hostile files are made of.
sys.path.insert(0, str(PROJECT))

from streamforest import StreamDetector  # noqa: E402 - the path comes first
from streamforest.models import inert_pickle  # noqa: E402 - the path comes first
from streamforest.models.forest import ModelError  # noqa: E402
from streamforest.models.model_file import (  # noqa: E402
    CHECKSUM_BYTES,
    CHECKSUM_MARK,
    ESTIMATOR,
    FOREST,
    TREE,
)
from streamforest.models.shipped import SHIPPED_MODEL  # noqa: E402

#: What one file may take beside what the process has before: memory, and seconds of the processor.
MOST_MEMORY, MOST_SECONDS = 100_000_000, 5.0
#: Files that one process reads.
BATCH = 500
#: Of audit events: what happens only where code that was not there before runs, or the world is changed.
FOREIGN = ("import", "exec", "compile", "pickle.", "os.", "subprocess.", "socket.", "ctypes.", "shutil.", "marshal.")

Maker = Callable[[bytes, random.Random, str], bytes]


def sealed(body: bytes) -> bytes:
    """A file of these bytes with the checksum that belongs to them: an attacker can make one."""
    return body + CHECKSUM_MARK + hashlib.sha256(body).hexdigest().encode()


# Damage


def flipped(body: bytes, rng: random.Random, _mark: str) -> bytes:
    """Some bits are others."""
    damaged = bytearray(body)
    for _ in range(rng.choice((1, 1, 2, 8, 100))):
        damaged[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def flipped_in_the_program(body: bytes, rng: random.Random, _mark: str) -> bytes:
    """Some bytes of what is no array are others, most of them opcodes."""
    damaged = bytearray(body)
    places = [at for at in (rng.randrange(len(body)) for _ in range(400)) if 0x20 < body[at] < 0x7F or body[at] > 0x80]
    for at in places[: rng.choice((1, 3, 30))]:
        damaged[at] = rng.choice(b"hj(.tRb}]auesNKMJGXC\x81\x85\x86\x87\x88\x8a\x8c\x93\x94\x95cioPQ\x82\x92\x8e\x96")
    return bytes(damaged)


def truncated(body: bytes, rng: random.Random, _mark: str) -> bytes:
    """The end is missing."""
    return body[: rng.randrange(len(body))]


def spliced(body: bytes, rng: random.Random, _mark: str) -> bytes:
    """A block stands elsewhere, twice, not at all, or is of zeros or noise."""
    size = rng.choice((1, 8, 64, 1000, 50_000))
    source, target = rng.randrange(len(body)), rng.randrange(len(body))
    block = rng.choice((body[source : source + size], bytes(size), rng.randbytes(size), b""))
    return body[:target] + block + body[target + rng.choice((0, size)) :]


def noise(_body: bytes, rng: random.Random, _mark: str) -> bytes:
    """Anything."""
    return rng.choice((b"", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")) + rng.randbytes(
        rng.choice((0, 10, 1000, 100_000))
    )


# Programs


def text(word: str) -> bytes:
    """The opcode that makes a text."""
    encoded = word.encode()
    return b"\x8c" + bytes([len(encoded)]) + encoded if len(encoded) < 256 else _long_text(encoded)


def _long_text(encoded: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def calls(mark: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """Functions that would leave a mark or change something, with their arguments."""
    touch = f"touch {mark}"
    code = f"open({mark!r}, 'w').close()"
    return [
        ("os", "system", (touch,)),
        ("posix", "system", (touch,)),
        ("nt", "system", (touch,)),
        ("os", "mkdir", (mark,)),
        ("os", "popen", (touch,)),
        ("subprocess", "getoutput", (touch,)),
        ("subprocess", "Popen", (touch,)),
        ("builtins", "eval", (f"__import__('os').mkdir({mark!r})",)),
        ("builtins", "exec", (code,)),
        ("builtins", "open", (mark, "w")),
        ("builtins", "__import__", ("antigravity",)),
        ("builtins", "getattr", ("", "join")),
        ("importlib", "import_module", ("this",)),
        ("pathlib", "Path.touch", (mark,)),
        ("timeit", "timeit", (code,)),
        ("pdb", "run", (code,)),
        ("code", "interact", (mark,)),
        ("runpy", "run_path", (mark,)),
        ("ctypes", "CDLL", (mark,)),
        ("pickle", "loads", (mark,)),
        ("joblib", "load", (mark,)),
        ("numpy", "load", (mark,)),
        ("numpy", "memmap", (mark,)),
        ("numpy.testing._private.utils", "runstring", (code, "")),
        ("numpy.f2py.crackfortran", "myeval", (code,)),
        ("sklearn.utils", "check_array", (mark,)),
        ("sklearn.ensemble._iforest", "IsolationForest.fit", (mark,)),
        ("sklearn.tree._tree", "Tree.__init__", (mark,)),
        ("joblib.numpy_pickle", "NumpyArrayWrapper.read", (mark,)),
        ("streamforest.sinks.hook", "words_of", (touch,)),
        ("operator", "methodcaller", (mark,)),
        ("functools", "partial", (mark,)),
        ("copyreg", "_reconstructor", (mark,)),
        ("logging.config", "dictConfig", (mark,)),
        ("webbrowser", "open", (mark,)),
        ("asyncio", "run", (mark,)),
    ]


def called(rng: random.Random, mark: str) -> bytes:
    """A call in one of the ways that pickle knows."""
    module, name, arguments = rng.choice(calls(mark))
    old = "".join(f"V{argument}\n" for argument in arguments).encode("unicode_escape").replace(b"\\n", b"\n")
    new = b"(" + b"".join(map(text, arguments)) + b"t"
    found = text(module) + text(name) + b"\x93"
    ways = (
        found + new + b"R",
        found + new + b"\x81",
        found + new + b"}\x92",
        f"c{module}\n{name}\n(".encode() + old + b"tR",
        b"(" + old + f"i{module}\n{name}\n".encode(),
        f"(c{module}\n{name}\n".encode() + old + b"o",
        found + b")\x81" + text(mark) + b"b",
        text("builtins") + text("getattr") + b"\x93" + found + text("__call__") + b"\x86R" + new + b"R",
        b"\x82\x01" + new + b"R",
        b"P" + mark.encode() + b"\n",
        text(mark) + b"Q",
    )
    return rng.choice(ways)


def in_a_model(body: bytes, program: bytes, rng: random.Random) -> bytes:
    """A whole model whose last part is what a program makes."""
    name = rng.choice(("report", "versions", "forest", "calibration", "probes", "feature_names", "seed", "more"))
    assert body.endswith(b"u.")
    return body[:-2] + text(name) + program + b"u."


def program(body: bytes, rng: random.Random, mark: str) -> bytes:
    """A call, alone or inside a model, in any protocol."""
    made = called(rng, mark)
    alone = rng.choice((b"\x80\x04", b"\x80\x05", b"\x80\x02", b"")) + made + b"."
    return rng.choice((alone, b"\x80\x04](" + made + b"e.", in_a_model(body, made, rng)))


class Caller:
    """Pickled by Python itself, it calls a function."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        """The call."""
        return os.mkdir, (self.mark,)


def pickled(_body: bytes, rng: random.Random, mark: str) -> bytes:
    """A call as Python itself pickles it."""
    what: object = rng.choice((Caller(mark), [Caller(mark)], {"forest": Caller(mark)}, np.array([Caller(mark)])))
    return pickle.dumps(what, rng.randrange(pickle.HIGHEST_PROTOCOL + 1))


def allowed_class_misused(body: bytes, rng: random.Random, mark: str) -> bytes:
    """A class that is allowed, with arguments or a state that its own code would trip over."""
    number = rng.choice(
        (b"J\xff\xff\xff\x7f", b"J\x00\x00\x00\x80", b"\x8a\x08" + b"\xff" * 7 + b"\x7f", b"K\x01", b"N")
    )
    kind = rng.choice((FOREST, ESTIMATOR, TREE, *inert_pickle.SCALAR, *_OWN))
    state = rng.choice((number, b"}", b"(" + number * rng.randrange(9) + b"t", text(mark), b"]"))
    kind_of_array = rng.choice(("O", "O8", "V64", "M8[s]", "U9", "f8", "f16", "S1000000000", "<f8,O", "void"))
    dtype = b"".join(map(text, inert_pickle.DTYPE)) + b"\x93" + text(kind_of_array) + b"\x89\x88\x87R(K\x03"
    dtype += text(rng.choice("<|>=?")) + rng.choice((b"NNN", b"N)}", text("a") * 3)) + number * 2 + b"K\x00tb"
    fields = {"shape": b"(" + number * rng.randrange(6) + b"t", "order": text(rng.choice("CFKA")), "dtype": dtype}
    fields["subclass"] = b"".join(map(text, rng.choice((inert_pickle.ARRAY, FOREST)))) + b"\x93"
    fields |= {"allow_mmap": b"\x88", "numpy_array_alignment_bytes": number}
    filled = b"}(" + b"".join(text(name) + value for name, value in fields.items()) + b"u"
    wrapper = b"".join(map(text, inert_pickle.WRAPPER)) + b"\x93)\x81" + filled + b"b"
    described = b"".join(map(text, kind)) + b"\x93(" + number * rng.randrange(4) + b"t"
    made = rng.choice(
        (described + b"R", described + b"\x81" + state + b"b", described + b"R" + state + b"b", dtype, wrapper)
    )
    return rng.choice((b"\x80\x04" + made + b".", in_a_model(body, made, rng)))


_OWN = (inert_pickle.ARRAY, inert_pickle.DTYPE, inert_pickle.WRAPPER)


# Size


def huge(body: bytes, rng: random.Random, _mark: str) -> bytes:
    """A length that is far more than there is."""
    size = rng.choice((2**31 - 1, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**64 - 1))
    short, long = struct.pack("<I", min(size, 2**32 - 1)), struct.pack("<Q", size)
    ways = (b"X" + short, b"B" + short, b"T" + short, b"\x8d" + long, b"\x8e" + long, b"\x96" + long, b"\x95" + long)
    ways += (b"\x8b" + short, b"]r" + short, b"j" + short, b"\x8a\xff" + b"\xff" * 255, b"I" + b"9" * 100_000 + b"\n")
    made = rng.choice(ways) + b"a" * rng.choice((0, 10, 1000))
    at = rng.choice([found.start() for found in re.finditer(rb"K.", body[:20_000])])  # a small number, or a shape
    grown = body[:at] + b"J\xff\xff\xff\x7f" + body[at + 2 :]
    return rng.choice((b"\x80\x04" + made + b".", in_a_model(body, made, rng), grown))


def deep(body: bytes, rng: random.Random, _mark: str) -> bytes:
    """Nested or long without end."""
    n = rng.choice((1000, 100_000, 190_000, 1_000_000))
    step = rng.choice((b"]", b"}", b")", b"(", b"K\x01\x85", b"N\x86", b"0", b"2", b"N", b"h\x00", b"\x94", b"(("))
    close = rng.choice((b"", b"a" * n, b"e" * n, b"t" * n, b"\x85" * n))
    made = b"]\x94" + step * n + close
    kind = b"".join(map(text, FOREST)) + b"\x93\x94)\x94"
    objects = b"\x80\x04" + kind + b"h\x00h\x01\x81" * min(n, 45_000) + rng.choice((b"", b"b" * n)) + b"."
    return rng.choice((b"\x80\x04" + made + b".", in_a_model(body, made, rng), objects))[:9_900_000]


def bomb(_body: bytes, rng: random.Random, _mark: str) -> bytes:
    """Little that unpacks to much."""
    content = b"\x80\x04" + b"]" * rng.choice((100_000, 3_000_000))
    ways = (zlib.compress, gzip.compress, bz2.compress, partial(lzma.compress, preset=0))
    return rng.choice((*ways, partial(lzma.compress, format=lzma.FORMAT_ALONE, preset=0)))(content)


# Trees


def misgrown(body: bytes, rng: random.Random, _mark: str) -> bytes:
    """Well written, and its trees or numbers are none."""
    content = inert_pickle.read(body, (FOREST, ESTIMATOR, TREE))
    estimators = content["forest"].state["estimators_"]
    array = rng.choice(
        [content["calibration"], content["forest_calibration"], content["probes"], content["probe_scores"]]
        + [rng.choice(estimators).state["tree_"].state["nodes"] for _ in range(6)]
    )
    other = np.ndarray(array.shape, array.dtype, bytearray(array.tobytes()))  # a copy would leave gaps undefined
    for _ in range(rng.choice((1, 1, 2, 10))):
        part = other[rng.choice(other.dtype.names)] if other.dtype.names else other.reshape(-1)
        values = (0, 1, -1, -2, 13, 14, 111, 2**15, 2**40, 1e-300, 1e300, math.nan, math.inf, -math.inf, rng.random())
        value = rng.choice(values)
        if part.dtype.kind != "f":
            value = 7 if value != value or abs(value) > 1e18 else int(value)
        with np.errstate(over="ignore"):
            part[rng.randrange(part.size)] = np.array(value).astype(part.dtype)
    old, new = array.tobytes(), other.tobytes()
    assert old in body
    return body.replace(old, new)


#: How a file is made, and whether it gets the checksum that belongs to it (None: by chance).
KINDS: dict[str, tuple[Maker, bool | None]] = {
    "bits flipped": (flipped, False),
    "bits flipped, with its checksum": (flipped, True),
    "opcodes changed, with its checksum": (flipped_in_the_program, True),
    "truncated": (truncated, None),
    "blocks spliced": (spliced, True),
    "noise": (noise, None),
    "programs that call": (program, True),
    "pickled calls": (pickled, True),
    "allowed classes misused": (allowed_class_misused, True),
    "huge lengths": (huge, True),
    "deep or long": (deep, True),
    "compressed": (bomb, None),
    "trees and numbers misgrown": (misgrown, True),
}


def hostile(body: bytes, seed: int, number: int, mark: str) -> tuple[str, bytes]:
    """The kind and the bytes of a hostile file: the same for the same seed and number."""
    rng = random.Random(f"{seed} {number}")
    kind = list(KINDS)[number % len(KINDS)]
    make, seals = KINDS[kind]
    made = make(body, rng, mark)
    return kind, sealed(made) if (rng.random() < 0.5 if seals is None else seals) else made


# Reading them


class Witness:
    """Sees what happens in this process while it is on watch; it cannot be taken away again."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.is_on_watch = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.is_on_watch and (event.startswith(FOREIGN) or (event == "open" and _writes(*arguments))):
            self.seen.add(event)


def _writes(_path: object, _mode: object, flags: int) -> bool:
    """Whether a file is opened for more than reading."""
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def bound_memory() -> None:
    """Let this process take MOST_MEMORY more than it has."""
    import resource  # noqa: PLC0415 - not on Windows

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def outcome(path: Path, witness: Witness) -> str:
    """What became of a file: ``refused``, ``accepted``, or what is wrong."""
    witness.seen.clear()
    started = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, 2 * MOST_SECONDS)  # ends the process
    witness.is_on_watch = True
    try:
        detector = StreamDetector.load(path)
    except ModelError as error:
        detector, told = None, str(error)
    except BaseException as error:
        return f"raised {type(error).__name__}"
    finally:
        witness.is_on_watch = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    if witness.seen:
        return f"did {', '.join(sorted(witness.seen))}"
    if time.process_time() - started > MOST_SECONDS:
        return f"took {time.process_time() - started:.1f} s"
    if detector is not None:
        scores = detector.update_many(np.random.default_rng(1).normal(size=300))["score"][-100:]
        return "accepted" if ((scores >= 0.0) & (scores <= 1.0)).all() else "gave no scores"
    is_clear = told.isprintable() and told.endswith("with 'python model_prod.py'") and len(told) < 500
    return "refused" if is_clear else f"said {told!r}"


def read_some(model: Path, seed: int, numbers: Sequence[int], folder: Path) -> None:
    """Make and read files in this process; prints a JSON line for each."""
    body = model.read_bytes()[:-CHECKSUM_BYTES]
    mark, path = folder / "mark", folder / "hostile.joblib"
    StreamDetector.load(model).update_many(np.zeros(300))  # whatever is imported or compiled late, is now
    witness = Witness()
    bound_memory()
    for number in numbers:
        kind, content = hostile(body, seed, number, str(mark))
        path.write_bytes(content)
        del content
        found = outcome(path, witness)
        if mark.exists():
            found = "left a mark"
            mark.rmdir() if mark.is_dir() else mark.unlink()
        print(json.dumps([number, kind, found]), flush=True)


def read_apart(model: Path, seed: int, numbers: range) -> list[tuple[int, str, str]]:
    """Read files in a process that may crash or hang: number, kind and outcome of each."""
    found: list[tuple[int, str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        while len(found) < len(numbers):
            left = numbers[len(found) :]
            words = [sys.executable, __file__, "--model", model, "--seed", seed]
            words += ["--read", left.start, left.stop, folder]
            done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True, check=False)
            found += [tuple(json.loads(line)) for line in done.stdout.splitlines()]
            if done.returncode != 0:
                number = numbers[len(found)]
                found.append((number, list(KINDS)[number % len(KINDS)], f"ended the process ({done.returncode})"))
    return found


def main(arguments: Sequence[str]) -> int:
    """Make, read and count; returns 1 where a file did what it must not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model", type=Path, default=SHIPPED_MODEL, help="that others are made of (default the shipped one)"
    )
    parser.add_argument("--count", type=int, default=10_000, help="files (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default %(default)s)")
    parser.add_argument("--read", nargs=3, metavar=("FIRST", "END", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if not asked.model.is_file():
        parser.error(f"there is no model {asked.model}")
    if asked.read:
        first, end, folder = asked.read
        read_some(asked.model, asked.seed, range(int(first), int(end)), Path(folder))
        return 0
    started = time.monotonic()
    batches = [range(first, min(first + BATCH, asked.count)) for first in range(0, asked.count, BATCH)]
    with ThreadPoolExecutor(asked.jobs) as pool:
        found = [one for batch in pool.map(partial(read_apart, asked.model, asked.seed), batches) for one in batch]
    counted = Counter((kind, outcome) for _, kind, outcome in found)
    print(f"{'kind':<36} {'refused':>8} {'accepted':>8} {'harm':>6}")
    for kind in KINDS:
        total = sum(n for (of, _), n in counted.items() if of == kind)
        refused, accepted = counted[kind, "refused"], counted[kind, "accepted"]
        print(f"{kind:<36} {refused:8,} {accepted:8,} {total - refused - accepted:6,}")
    harm = [(number, kind, what) for number, kind, what in found if what not in ("refused", "accepted")]
    for number, kind, what in harm[:20]:
        print(f"file {number}, {kind}: {what}")
    print(f"{len(found):,} files in {time.monotonic() - started:.0f} s: {len(harm)} did harm")
    return 1 if harm else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
