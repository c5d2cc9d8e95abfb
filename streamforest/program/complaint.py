"""What went wrong, in one line for people, without the users, passwords and tokens of addresses in it."""

from __future__ import annotations

from streamforest.terminal.console import say


def complain(program: str, fault: object) -> None:
    """Say what went wrong in a program."""
    text = str(fault)
    if "://" in text:
        from streamforest.connections.addresses import without_passwords  # noqa: PLC0415 - numpy, and seldom needed

        text = without_passwords(text)
    say(f"{program}: {text}")
