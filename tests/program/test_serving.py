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


def test_a_kill_and_an_end_in_order_lose_no_reading_and_judge_none_twice(program):
    """Of clients that send again what was not answered; the run goes on with its episodes and ids."""
    program.start()
    refused = program.ask("POST", "/readings", json.dumps([{"value": "x"}] * 250).encode())
    assert (refused[1]["refused"], refused[1]["refusals"][1]["where"]) == (250, "item 2")  # which ends no run
    clients = Clients(program, 2, with_keys=False)
    wait_until(lambda: sum(clients.sent) > 1000, 120)
    program.kill()
    program.start()
    clients.end()
    sent = sum(clients.sent) + 3
    body = json.dumps([{"value": value} for value in (0, 0, 500)]).encode()
    assert program.ask("POST", "/readings", body, Idempotency_Key="last")[1]["anomalies"]
    episodes = program.ask("GET", "/episodes")[1]["episodes"]
    assert episodes[0]["value"] == 500
    program.process.send_signal(signal.SIGTERM)
    program.process.wait(60)
    program.start()
    assert program.ask("GET", "/episodes")[1]["episodes"] == episodes
    assert program.ask("POST", "/readings", body, Idempotency_Key="last")[1]["repeated"]
    found = program.ask("POST", "/readings?verdicts=all", b'{"value": 0}')
    assert found[1]["verdicts"][0]["index"] == sent


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def keyed(folder):
    found = Program(folder, "--key-column", "key")
    found.start()
    yield found
    found.kill()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_lines_of_the_page_work_as_they_stand_there(keyed, folder):
    lines = [line for block in blocks("docs/serve.md", "sh") for line in block.splitlines() if "curl" in line]
    assert len(lines) == 10
    auth = next(line for block in blocks("docs/serve.md", "sh") for line in block.splitlines() if line[:4] == "AUTH")
    shown = ""
    for line in lines:
        script = f"{auth}\n{line}".replace("8787", str(keyed.port))
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-ec", script],
            **{"cwd": folder, "timeout": 120, "env": os.environ | {"NO_PROXY": "*"}},
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
def test_prometheus_writes_its_series_here(keyed, folder):
    pytest.importorskip("cramjam")
    port = free_port()
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: self, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
        f"remote_write: [{{url: 'http://127.0.0.1:{keyed.port}/api/v1/write', "
        "authorization: {credentials_file: token.act}, queue_config: {batch_send_deadline: 1s}, "
        "write_relabel_configs: [{source_labels: [__name__], regex: 'up|go_goroutines', action: keep}]}]\n",
        encoding="utf-8",
    )
    server = Server(
        port,
        *("prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'series'}"),
        f"--web.listen-address=127.0.0.1:{port}",
    ).start()
    try:

        def points():
            streams = keyed.ask("GET", "/streams")[1]["streams"]
            return {one["key"].partition("{")[0]: one["points"] for one in streams}

        wait_until(lambda: all(points().get(name, 0) >= 3 for name in ("up", "go_goroutines")), 120)
    finally:
        server.kill()
