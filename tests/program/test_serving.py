import json
import signal
from types import SimpleNamespace

import pytest

from benchmarks.serve import Clients, Program
from streamforest.program.serving import is_served, make_api
from tests.servers import wait_until


def test_other_runs_are_not_served():
    options = SimpleNamespace(source="simulated")
    assert not is_served(options)
    assert make_api(SimpleNamespace(options=options)) is None


@pytest.fixture
def program(tmp_path):
    found = Program(tmp_path, "--detector", "z-score", "--checkpoint", str(tmp_path / "c"), "--checkpoint-every", "0.2")
    yield found
    if found.process is not None:
        found.kill()


def index_of_next(program):
    """How many readings were judged."""
    found = program.ask("POST", "/readings?verdicts=all", b'{"value": 0}')
    return found[1]["verdicts"][0]["index"]


def test_no_reading_is_lost_or_judged_twice_over_kills_with_clients_that_send_again(program):
    program.start()
    clients = Clients(program, 2, with_keys=False)
    for _ in range(2):
        before = sum(clients.sent)
        wait_until(lambda before=before: sum(clients.sent) > before + 500, 120)
        program.kill()
        program.start()
    clients.end()
    assert index_of_next(program) == sum(clients.sent)


def test_a_run_that_is_ended_in_order_goes_on_with_page_episodes_and_ids(program):
    program.start()
    for batch in range(3):
        rows = [{"value": value} for value in ([1, 2] * 100 if batch < 2 else [1, 2, 500])]
        assert program.ask("POST", "/readings", json.dumps(rows).encode(), Idempotency_Key=str(batch))[0] == 200
    (episode,) = program.ask("GET", "/episodes")[1]["episodes"]
    program.process.send_signal(signal.SIGTERM)
    program.process.wait(60)
    program.start()
    assert program.ask("GET", "/episodes")[1]["episodes"] == [episode]
    assert program.ask("POST", "/readings", b"7", Idempotency_Key="2")[1]["repeated"]
    assert index_of_next(program) == 403
