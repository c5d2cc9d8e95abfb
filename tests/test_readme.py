"""The README says what is there: its file map, options and commands are held against the code."""

import ast
import re
from pathlib import Path

from streamforest.options import OPTIONS

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def first_line(path):
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).splitlines()[0]


def file_map():
    """Path and line of every module, as the README shows them."""
    folders = ("benchmarks/*.py", "examples/*.py", "streamforest/**/*.py")
    modules = [*PROJECT.glob("*.py"), *(module for folder in folders for module in PROJECT.glob(folder))]
    return [f"| `{path.relative_to(PROJECT).as_posix()}` | {first_line(path)} |" for path in sorted(modules)]


def test_the_file_map_is_made_of_the_modules_first_lines():
    shown = re.findall(r"^\| `[\w/]+\.py` \| .* \|$", README, re.MULTILINE)
    assert shown == file_map(), "in README.md, 'The files' should read:\n" + "\n".join(file_map())


def test_every_option_stands_in_the_table():
    for option in OPTIONS:
        name = option.name if option.only_in_settings else option.flag
        assert f"`{name}" in README, f"README.md does not mention {name}"


def test_files_that_the_readme_points_at_are_there():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (PROJECT / target).exists(), target
