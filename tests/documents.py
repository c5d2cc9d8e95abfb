"""The README and the pages of docs/ as the tests read them: links, anchors, commands, examples."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[1]
DOCS = PROJECT / "docs"
#: By their path from the project's folder.
PAGES = {
    path.relative_to(PROJECT).as_posix(): path.read_text(encoding="utf-8")
    for path in [*sorted(PROJECT.glob("*.md")), *sorted(DOCS.glob("*.md"))]
}
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"(^|\s+)# .*$")


def blocks(page, language):
    """The fenced blocks of a page in one language."""
    return [text for found, text in _BLOCK.findall(PAGES[page]) if found == language]


def without_code(page):
    """A page's text without its fenced blocks and code in lines."""
    return re.sub(r"`[^`\n]+`", "", _BLOCK.sub("", PAGES[page]))


def links(page):
    """Where a page's links and pictures lead, but for those to other sites."""
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page)) if "://" not in target]


def anchors(page):
    """The anchors of a page's headings, as code hosts and mkdocs both make them."""
    titles = re.findall(r"^#+ (.+)$", _BLOCK.sub("", PAGES[page]), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


def commands(page):
    """The shell commands of a page, each with its further lines and its here-document; scripts are none."""
    found = []
    for block in blocks(page, "sh"):
        if not block.startswith("#!"):
            found += _commands(block.splitlines())
    return found


def _commands(lines):
    rest = iter(lines)
    for line in rest:
        command = _COMMENT.sub("", line).rstrip()
        while command.endswith("\\"):
            command = command[:-1] + next(rest).strip()
        if found := re.search(r"<<'(\w+)'", command):
            for line_inside in rest:
                command += "\n" + line_inside
                if line_inside == found[1]:
                    break
        if command:
            yield command
