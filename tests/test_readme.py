"""The README is short, and its first screen works as it stands: .ci/run takes two commands from it."""

import re

from streamforest.detectors import DETECTORS
from streamforest.program.options import OPTIONS
from streamforest.sources import SOURCES
from tests.documents import DOCS, PAGES, commands, links

README = PAGES["README.md"]
MOST_LINES = 220
FIRST_SCREEN = 30  # lines


def section(title):
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_it_is_short():
    assert len(README.splitlines()) <= MOST_LINES
    assert max(len(line) for line in README.splitlines() if not line.startswith(("|", "python"))) <= 220


def test_the_two_commands_follow_their_marks_on_the_first_screen():
    lines = README.splitlines()
    for mark, word in (
        ("# install, train and watch", ".venv/bin/python main.py"),
        ("# install what the tests need and run them", "-m pytest -q -n 3 --dist loadfile"),
    ):
        place = lines.index(mark)
        assert place < FIRST_SCREEN
        assert lines[place + 1].startswith("python3 -m venv .venv && ")
        assert lines[place + 1].endswith(word)


def test_a_bare_debians_packages_stand_on_the_first_screen():
    top = "\n".join(README.splitlines()[:FIRST_SCREEN])
    assert "python3-venv" in top
    assert "python3-tk" in top


def test_ten_options_stand_there_and_they_exist():
    shown = re.findall(r"^\| `(--[\w-]+)", section("Options"), re.MULTILINE)
    flags = {option.flag for option in OPTIONS} | {
        f"--no-{option.flag[2:]}" for option in OPTIONS if option.kind == "switch"
    }
    assert len(shown) == 10
    assert set(shown) <= flags


def test_each_source_and_each_detector_has_its_line():
    for word in SOURCES:
        assert f"`{word}" in section("Sources"), word
    for name in DETECTORS:
        assert re.search(rf"^\| `{name}` \|", section("Detectors"), re.MULTILINE), name


def test_each_page_of_the_documentation_is_on_the_map():
    shown = {link.partition("#")[0] for link in links("README.md")}
    assert {f"docs/{path.name}" for path in DOCS.glob("*.md")} - {"docs/index.md"} <= shown


def test_its_commands_stand_on_the_pages_too():
    elsewhere = {command for page in PAGES if page != "README.md" for command in commands(page)}
    (alarm,) = [command for command in commands("README.md") if "--on-anomaly" in command]
    assert alarm in elsewhere  # where a test runs it
