"""Whether a run's page answers: exit code 0 if it does; for a container's health check."""

import sys
import urllib.request
from pathlib import Path


def check(port: str, token_file: str) -> None:
    """Ask the page of this machine for its numbers; raises OSError where it does not answer."""
    token = Path(token_file).read_text(encoding="ascii").strip()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=4) as answer:
        answer.read()


if __name__ == "__main__":
    try:
        check(*sys.argv[1:])
    except OSError as error:
        sys.exit(f"the page does not answer: {error}")
