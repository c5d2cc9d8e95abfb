import gzip
import http.client
import json
import threading
from contextlib import suppress

import pytest

from streamforest.connections.batches import BatchQueue, Outcome
from streamforest.sinks.terminal import json_lines
from streamforest.verdicts.served import ServedVerdicts
from streamforest.views.api import MOST_BYTES, MOST_ROWS, Api
from tests.servers import wait_until
from tests.visits import SECONDS, Run, stream

ROWS = stream(300)
GETS = ("/streams", "/episodes", "/verdicts", "/events", "/openapi.json", "/api")


class ServedRun(Run):
    """A view with what programs may do, and a thread in place of the run that judges."""

    def __init__(self, folder, **access):
        super().__init__(folder, **access)
        self.queue, self.served = BatchQueue(most=2), ServedVerdicts("test")
        self.served.write(ROWS)
        self.options["api"] = Api(self.queue, self.served, json_lines)
        self.taken, self.outcome = [], Outcome(points=300, anomalies=3, verdicts=(ROWS,))
        self.paused, self.over = threading.Lock(), threading.Event()
        self.judging = threading.Thread(target=self._judge)

    def _judge(self):
        while not self.over.wait(0.005):
            with self.paused:
                for batch in self.queue.take(0.0):
                    self.taken.append(batch)
                    batch.end(self.outcome)

    def __enter__(self):
        self.judging.start()
        return super().__enter__()

    def __exit__(self, *error):
        self.over.set()
        self.judging.join(SECONDS)
        self.queue.end("over")
        super().__exit__(*error)

    def ask(self, method, path, body=None, token=None, **headers):
        """Status, headers and JSON of an answer."""
        link = http.client.HTTPConnection("127.0.0.1", self.view.port, timeout=SECONDS)
        names = {name.replace("_", "-"): text for name, text in headers.items()}
        link.request(method, path, body, {"Authorization": f"Bearer {token or self.token}", **names})
        answer = link.getresponse()
        content = answer.read()
        link.close()
        is_json = answer.getheader("Content-Type") == "application/json"
        return answer.status, answer.headers, json.loads(content) if is_json else content.decode()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with ServedRun(tmp_path_factory.mktemp("run")) as found:
        yield found


def test_a_batch_is_judged_and_answered_with_its_anomalies_all_verdicts_or_none(run):
    code, _, found = run.ask("POST", "/readings", b'{"value": 1}', Idempotency_Key="7", X_Client="pump")
    assert (code, found["points"], found["anomalies"], found["repeated"]) == (200, 300, 3, False)
    assert [one["index"] for one in found["verdicts"]] == [0, 100, 200]
    batch = run.taken[-1]
    assert (batch.body, batch.id, batch.client, batch.form) == (b'{"value": 1}', "7", "pump", "text")
    assert len(run.ask("POST", "/readings?verdicts=all", b"1")[2]["verdicts"]) == 300
    assert run.ask("POST", "/readings?verdicts=none", b"1")[2]["verdicts"] == []
    assert run.ask("POST", "/readings?verdicts=some", b"1")[0] == 400


def test_only_the_token_that_acts_posts_and_both_look(run):
    reading = run.view.reading_token
    before = len(run.taken)
    for token in ("wrong", reading):
        for path in ("/readings", "/api/v1/write"):
            assert run.ask("POST", path, b"1", token=token)[0] == 403
    assert len(run.taken) == before
    for path in GETS:
        assert run.ask("GET", path, token="wrong")[0] == 403
        if path != "/events":
            assert run.ask("GET", path, token=reading)[0] == 200


def test_another_site_cannot_post_by_the_cookie(run):
    code, *_ = run.ask("POST", "/readings", b"1", Origin="http://evil.example")
    assert code == 403


def test_a_packed_body_is_unpacked_and_a_bomb_or_a_torn_one_is_refused(run):
    packed = gzip.compress(b"5\n6\n")
    assert run.ask("POST", "/readings", packed, Content_Encoding="gzip")[0] == 200
    assert run.taken[-1].body == b"5\n6\n"
    bomb = gzip.compress(bytes(MOST_BYTES + 1))
    for body, expected in ((bomb, 413), (packed[:-9], 400), (b"x", 400)):
        assert run.ask("POST", "/readings", body, Content_Encoding="gzip")[0] == expected
    assert run.ask("POST", "/readings", b"x", Content_Encoding="br")[0] == 415


@pytest.mark.parametrize(
    ("length", "code"), [(str(MOST_BYTES + 1), 413), (5000 * "9", 413), ("5, 6", 400), ("-5", 400), ("1_0", 400)]
)
def test_a_body_that_is_too_long_is_refused_before_it_comes(run, length, code):
    link = http.client.HTTPConnection("127.0.0.1", run.view.port, timeout=SECONDS)
    link.putrequest("POST", "/readings")
    link.putheader("Authorization", f"Bearer {run.token}")
    link.putheader("Content-Length", length)
    link.endheaders()
    assert link.getresponse().status == code
    link.close()


def test_a_body_in_chunks_that_grows_too_long_is_cut_off_and_the_next_one_is_judged(run):
    link = http.client.HTTPConnection("127.0.0.1", run.view.port, timeout=SECONDS)
    link.putrequest("POST", "/readings")
    link.putheader("Authorization", f"Bearer {run.token}")
    link.putheader("Transfer-Encoding", "chunked")
    link.endheaders()
    chunk = bytes(2**20)
    with suppress(OSError):
        for _ in range(MOST_BYTES // 2**20 + 2):
            link.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        assert link.getresponse().status == 400
    link.close()
    assert run.ask("POST", "/readings", b"1")[0] == 200


def test_who_goes_away_in_the_midst_disturbs_nobody(run, capfd):
    before = len(run.taken)
    with run.paused:
        for body in (b"12", b"1234567890"):
            link = http.client.HTTPConnection("127.0.0.1", run.view.port, timeout=SECONDS)
            link.putrequest("POST", "/readings")
            link.putheader("Authorization", f"Bearer {run.token}")
            link.putheader("Content-Length", "10")
            link.endheaders(body)
            if len(body) == 10:
                wait_until(lambda: run.view.answering == 1, SECONDS)
            link.close()
    wait_until(lambda: run.view.answering == 0, SECONDS)
    assert len(run.taken) == before + 1
    assert run.ask("POST", "/readings", b"1")[0] == 200
    assert capfd.readouterr().err == ""


def test_who_posts_faster_than_it_is_judged_has_to_wait(run):
    with run.paused:
        waiting = [threading.Thread(target=run.ask, args=("POST", "/readings", b"1")) for _ in range(2)]
        for thread in waiting:
            thread.start()
        wait_until(lambda: run.queue.is_full, SECONDS)
        code, headers, _ = run.ask("POST", "/readings", b"1")
    assert (code, headers["Retry-After"]) == (429, "1")
    for thread in waiting:
        thread.join(SECONDS)


@pytest.mark.parametrize(("state", "code"), [("kept", 202), ("unread", 400), ("postponed", 503)])
def test_what_is_not_judged_says_so(run, state, code):
    before = run.outcome
    run.outcome = Outcome(state, "why")
    try:
        found = run.ask("POST", "/readings", b"1")
    finally:
        run.outcome = before
    assert (found[0], found[2]) == (code, {"state": state, "error": "why"})
    assert ("Retry-After" in found[1]) == (code == 503)


def test_streams_episodes_and_verdicts_are_found_by_range(run):
    assert run.ask("GET", "/streams")[2]["streams"][0]["points"] == 300
    assert [one["start_index"] for one in run.ask("GET", "/episodes?most=2")[2]["episodes"]] == [200, 100]
    found = run.ask("GET", "/verdicts?first=10&end=13")[2]
    assert [one["index"] for one in found["verdicts"]] == [10, 11, 12]
    assert found["count"] == 3
    assert len(run.ask("GET", f"/verdicts?most={MOST_ROWS * 9}")[2]["verdicts"]) == 300
    for wrong in ("since=x", "first=1.5", "most=1e400", "until=nan"):
        assert run.ask("GET", f"/verdicts?{wrong}")[0] == 400


def test_events_come_as_they_happen(run):
    link = http.client.HTTPConnection("127.0.0.1", run.view.port, timeout=SECONDS)
    link.request("GET", "/events?what=anomalies", headers={"Authorization": f"Bearer {run.view.reading_token}"})
    answer = link.getresponse()
    assert answer.getheader("Content-Type") == "text/event-stream"
    wait_until(lambda: run.served.listeners == 1, SECONDS)
    run.served.write(ROWS[100:102])
    lines = []
    while not any(line.startswith("data") for line in lines):
        lines.append(answer.fp.readline().decode())
    data = next(line for line in lines if line.startswith("data"))
    assert json.loads(data.removeprefix("data: "))["index"] == 100
    answer.close()
    link.close()
    wait_until(lambda: run.served.write(ROWS[100:102]) or run.served.listeners == 0, SECONDS)


def test_what_there_is_is_described_for_programs_and_people(run):
    assert run.ask("GET", "/openapi.json")[2]["openapi"].startswith("3.")
    code, headers, page = run.ask("GET", "/api")
    assert code == 200
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "POST /readings" in page


def test_a_wrong_method_or_path_is_said_in_words(run):
    assert run.ask("GET", "/readings")[0] == 405
    assert run.ask("GET", "/nothing")[0] == 404
