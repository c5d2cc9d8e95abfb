import re

import pytest

from benchmarks import hostile_visitors
from benchmarks.hostile_visitors import frame, main


@pytest.mark.skipif(not hostile_visitors.Path("/proc/self/status").exists(), reason="needs /proc: Linux")
def test_hostile_visitors_leave_the_run_as_it_is(capsys):
    main(["--seconds", "3", "--connections", "200", "--unread", "80", "--asks", "1000"])
    said = capsys.readouterr().out
    rows = {line[:24].strip(): line[24:] for line in said.splitlines()}
    # rates and memory of a busy machine are no test's matter
    for name in ("commands of episodes", "pictures saved", "SIGTERM, s", "tracebacks"):
        assert "MISSED" not in rows[name], said
    assert re.search(r"[1-9]", rows["pictures saved"]), said


def test_a_message_is_one_that_a_server_understands():
    assert frame({"ask": "report"}) == b'\x81\x91\0\0\0\0{"ask": "report"}'
