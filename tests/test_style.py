"""Rules that hold for the code as a whole."""

import ast
import re
import tokenize
from pathlib import Path

import main

PROJECT = Path(main.__file__).parent
FILES = [*PROJECT.glob("*.py"), *(PROJECT / "streamforest").rglob("*.py")]
MOST_PARAMETERS = 8


def functions(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_function_has_more_than_eight_parameters_but_compiled_ones():
    """A compiled function takes numbers and arrays, each for itself; all else takes objects that say what they are."""
    long = {}
    for path in FILES:
        for function in functions(path):
            if any(ast.unparse(decorator) == "compiled" for decorator in function.decorator_list):
                continue
            taken = function.args
            names = [one.arg for one in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)]
            names = [name for name in names if name not in {"self", "cls"}]
            if len(names) > MOST_PARAMETERS:
                long[f"{path.relative_to(PROJECT)}:{function.name}"] = names
    assert long == {}


#: Words of this project's own that are gone: docs/glossary.md says what stands in their place.
GONE = {"room", "rooms", "bench", "desk", "course", "courses", "diary", "plain", "known", "never", "told"}
#: Those of them that no test takes for a name either.
GONE_IN_TESTS = {"bench", "desk", "course", "courses", "diary", "told"}
#: The same in comments and messages, where "known", "plain" and "told apart" are plain English.
GONE_PHRASES = re.compile(r"\b(is told|are told|be told of|whoever|what is looked at|bench|desk|diary|rooms?)\b", re.I)
#: What others call so: a function of argparse.
THEIRS = {"parse_known_args"}


def parts_of(name):
    """The words that a name is made of, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def test_no_name_is_made_of_a_word_that_is_gone():
    found = {}
    for path in FILES:
        with path.open(encoding="utf-8") as file:
            names = {token.string for token in tokenize.generate_tokens(file.readline) if token.type == tokenize.NAME}
        if wrong := {name for name in names - THEIRS if parts_of(name) & GONE}:
            found[str(path.relative_to(PROJECT))] = wrong
    assert found == {}


def test_no_name_in_a_test_is_made_of_a_word_that_is_gone():
    """But for those that are plain English there, and sentences: the names of tests."""
    found = {}
    for path in (PROJECT / "tests").rglob("*.py"):
        with path.open(encoding="utf-8") as file:
            names = {token.string for token in tokenize.generate_tokens(file.readline) if token.type == tokenize.NAME}
        names -= {name for name in names if name.startswith("test_")}
        if wrong := {name for name in names if parts_of(name) & GONE_IN_TESTS}:
            found[str(path.relative_to(PROJECT))] = wrong
    assert found == {}


def test_no_comment_or_message_has_a_phrase_that_is_gone():
    found = []
    for path in FILES:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if GONE_PHRASES.search(line):
                found.append(f"{path.relative_to(PROJECT)}:{number}: {line.strip()}")
    assert found == []


def test_the_glossary_names_what_stands_in_the_place_of_words_that_are_gone():
    rows = (PROJECT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    replaced = " ".join(row.rsplit("|", 2)[1] for row in rows if row.startswith("|"))
    assert {"bench", "desk", "room", "course", "diary", "plain", "told"} <= set(re.findall(r"\w+", replaced))
