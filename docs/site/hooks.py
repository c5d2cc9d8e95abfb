"""Lets mkdocs find what pages link to outside docs/: the README and its neighbours, and the pictures.

On a code host ``../README.md`` is the README. mkdocs knows only files below its own folder, so this adds them to the
site as ``project/README.md`` and so on, and turns the links of each page accordingly.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

PROJECT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
PICTURES = "benchmarks/pictures"
COPIES = ("settings.py", "LICENSE", "deploy/grafana-dashboard.json")
FOLDER = "project"  # of the site


def on_files(files: Files, config: Any) -> Files:
    """Add the files outside docs/."""
    pictures = [f"{PICTURES}/{path.name}" for path in sorted((PROJECT / PICTURES).iterdir())]
    for name in (*PAGES, *COPIES, *pictures):
        file = File.generated(config, f"{FOLDER}/{name}", abs_src_path=str(PROJECT / name))
        if file.src_uri not in files.src_uris:
            files.append(file)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links that leave docs/, or lead into it, to where the site has what they mean."""
    if page.file.src_uri.startswith(f"{FOLDER}/"):
        return re.sub(r"\]\(docs/", "](../", markdown)
    return re.sub(r"\]\(\.\./", f"]({FOLDER}/", markdown)
