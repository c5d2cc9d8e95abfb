import json
import os
import shutil
import signal
import subprocess
from types import SimpleNamespace

import pytest

from benchmarks.serve import Clients, Program
from streamforest.program.serving import is_served, make_api
from tests.documents import blocks
from tests.servers import Server, free_port, wait_until


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


@pytest.fixture
def keyed(tmp_path):
    found = Program(tmp_path, "--key-column", "key")
    found.start()
    yield found
    found.kill()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_lines_of_the_page_work_as_they_stand_there(keyed, tmp_path):
    lines = [line for block in blocks("docs/serve.md", "sh") for line in block.splitlines() if "curl" in line]
    assert len(lines) == 10
    auth = next(line for block in blocks("docs/serve.md", "sh") for line in block.splitlines() if line[:4] == "AUTH")
    shown = ""
    for line in lines:
        script = f"{auth}\n{line}".replace("8787", str(keyed.port))
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-ec", script],
            **{"cwd": tmp_path, "timeout": 120, "env": os.environ | {"NO_PROXY": "*"}},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        if "-N" not in line:
            found = json.loads(done.stdout)
            assert "error" not in found
            assert not found.get("refused"), found
        shown += done.stdout
    assert '"key":"pump 1"' in shown
    assert 'cpu_usage_idle{host=\\"a\\"}' in shown


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs Prometheus")
def test_prometheus_writes_its_series_here(keyed, tmp_path):
    pytest.importorskip("cramjam")
    port = free_port()
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: self, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
        f"remote_write: [{{url: 'http://127.0.0.1:{keyed.port}/api/v1/write', "
        "authorization: {credentials_file: token.act}, queue_config: {batch_send_deadline: 1s}, "
        "write_relabel_configs: [{source_labels: [__name__], regex: 'up|go_goroutines', action: keep}]}]\n",
        encoding="utf-8",
    )
    server = Server(
        port,
        *("prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'series'}"),
        f"--web.listen-address=127.0.0.1:{port}",
    ).start()
    try:

        def points():
            streams = keyed.ask("GET", "/streams")[1]["streams"]
            return {one["key"].partition("{")[0]: one["points"] for one in streams}

        wait_until(lambda: all(points().get(name, 0) >= 3 for name in ("up", "go_goroutines")), 120)
    finally:
        server.kill()
