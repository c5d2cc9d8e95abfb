import json
import os
import subprocess
import time
from importlib.util import find_spec

import numpy as np
import pytest

from streamforest.connections.outbox import Outbox
from streamforest.connections.targets import read_target
from streamforest.optional import MissingPackageError
from streamforest.protocols import STREAM_VERDICT_DTYPE, VERDICT_DTYPE
from streamforest.sinks import BY_HTTP, open_receiver
from streamforest.sinks.tell import TellSink
from streamforest.stream_names import StreamNames
from streamforest.verdicts.life import EpisodeLife
from tests.listeners import TOGETHER, TOGETHER_END, receiver
from tests.programs import MAIN, started
from tests.servers import wait_until
from tests.sinks.test_episode_lines import incidents_found


class Receiver:
    """Keeps what it is sent."""

    repeat = 0.0

    def __init__(self, values_every=0.0):
        self.values_every, self.got, self.shown = values_every, [], []

    def send(self, message):
        self.got.append((message["event"], message["id"]))

    def show(self, verdict):
        self.shown.append(verdict)

    def close(self):
        """Nothing is held."""


def verdicts_of(text, dtype=VERDICT_DTYPE):
    """One verdict a letter; ``!`` is an anomalous one."""
    rows = np.zeros(len(text), dtype)
    rows["index"] = np.arange(len(text))
    rows["is_anomaly"] = rows["episode"] = [letter == "!" for letter in text]
    rows["p_value"] = np.where(rows["is_anomaly"], 1e-4, 0.5)
    rows["value"], rows["reason"] = 7.5, rows["is_anomaly"]
    return rows


def new(*receivers, names=None, **options):
    outboxes = [Outbox(f"test://{at}", receiver, lambda _line: None) for at, receiver in enumerate(receivers)]
    return TellSink(EpisodeLife("s", names=names), "s", outboxes, **options)


def test_each_address_is_told_of_each_event_and_open_episodes_end_with_the_run():
    one, two = Receiver(), Receiver()
    sink = new(one, two)
    sink.write(verdicts_of("..!!"))
    sink.close()
    sink.close()
    assert one.got == two.got
    assert [event for event, _ in one.got] == ["start", "end"]
    assert sink.counts() == (("test://0", 2, 0, 0), ("test://1", 2, 0, 0))


def test_an_episode_of_a_run_that_only_pauses_stays_open_and_ends_in_the_next():
    receiver = Receiver()
    sink = new(receiver, is_paused=lambda: True)
    sink.write(verdicts_of("..!!"))
    state = sink.state()
    sink.close()
    assert [event for event, _ in receiver.got] == ["start"]
    again = new(receiver)
    assert again.restore(state, cut=False) == ""
    again.close()
    assert [event for event, _ in dict.fromkeys(receiver.got)] == ["start", "end"]
    assert len({name for _, name in receiver.got}) == 1


def test_messages_of_addresses_that_are_gone_are_told():
    state = new(Receiver(), Receiver())
    waiting = state.state()
    facts = [["test://0", [[], [], 3, 0]], ["test://9", [[{"id": "a", "event": "start"}], [], 0, 0]]]
    waiting["outboxes"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    sink = new(Receiver())
    assert sink.restore(waiting, cut=False) == "messages are dropped whose addresses are not given any more: 1"
    assert sink.counts() == (("test://0", 3, 0, 0),)
    sink.close()
    state.close()


@pytest.mark.parametrize("repeat", [0.0, 0.01])
def test_an_incident_across_streams_is_told_when_it_is_complete_and_when_it_is_over(repeat):
    incidents, names, rows = incidents_found()
    receiver = Receiver()
    receiver.repeat = repeat
    sink = new(receiver, names=names, incidents=incidents)
    for part in np.split(rows, 50):
        incidents.write(part)
        sink.write(part)
    sink.close()
    (incident,) = incidents.kept
    events = [event for event, name in receiver.got if name == incident.id]
    assert (events[0], events[-1], events.count("incident_end")) == ("incident", "incident_end", 1)
    assert len(events) == 2 or repeat


@pytest.mark.parametrize("kind", sorted({*BY_HTTP} - {"otlp"}))
def test_an_incident_is_told_with_its_streams_by_every_kind(web, kind):
    web.answer = lambda request: (200, b"[]" if request.method == "GET" else b"{}", {})
    needs = {"ntfy": "/topic", "pagerduty": "#key=abcd"}
    sink = receiver(f"{kind}+http://127.0.0.1:{web.port}{needs.get(kind, '/x')}")
    for message in (TOGETHER, TOGETHER_END):
        sink.send(message)
        text = web.requests[-1].body.decode()
        assert "first s7 (98 % sure)" in text
        assert kind == "grafana" or "s18" in text, "those who followed"
    assert kind == "webhook" or "over: " in text


@pytest.mark.parametrize("kind", sorted({*BY_HTTP} - {"otlp", "grafana"}))
def test_a_message_leads_to_the_page_of_the_run_where_others_reach_it(web, kind):
    web.answer = lambda _request: (200, b"{}", {})
    needs = {"ntfy": "/topic", "pagerduty": "#key=abcd"}
    place = receiver(f"{kind}+http://127.0.0.1:{web.port}{needs.get(kind, '/x')}")
    for page in ("", "https://example.org/pump"):
        sink = new(place, page=page)
        sink.write(verdicts_of("..!!"))
        sink.close()
        assert (b"https://example.org/pump" in web.requests[-1].body) == bool(page)


def test_the_newest_value_of_one_stream_is_shown_and_none_of_many():
    receiver = Receiver(values_every=0.01)
    sink = new(receiver)
    sink.write(verdicts_of("...."))
    wait_until(lambda: receiver.shown, 60)
    assert (receiver.shown[0]["source"], receiver.shown[0]["index"]) == ("s", 3)
    sink.close()
    names = StreamNames()
    rows = verdicts_of("..!.", STREAM_VERDICT_DTYPE)
    rows["stream"] = names.numbers_of(["a"])[0]
    many = Receiver(values_every=0.01)
    sink = new(many, names=names)
    sink.write(rows)
    sink.close()
    assert (many.shown, [event for event, _ in many.got]) == ([], ["start", "end"])


def test_every_kind_says_what_it_needs_and_an_unknown_one_is_refused_with_a_guess():
    needs = {"ntfy": "/topic", "pagerduty": "#key=abcd"}
    for kind in BY_HTTP:
        for head in (kind, f"{kind}+http", f"{kind}+https"):
            target = read_target(f"{head}://h.example.org{needs.get(kind, '/x')}", {})
            if kind == "otlp" and find_spec("opentelemetry") is None:
                with pytest.raises(MissingPackageError, match=r"requirements/otlp\.txt"):
                    open_receiver(target)
            else:
                assert open_receiver(target).repeat >= 0
    for word in ("slak+https://h", "smtp+http://h/a@b", "webhook+ftp://h"):
        with pytest.raises(ValueError, match="there is no such kind; there are alertmanager"):
            open_receiver(read_target(word, {}))


def run_of(folder, port, *more):
    """A run over the readings in the folder, beginning."""
    words = [*MAIN, "readings.csv", "--no-visualization", "--detector", "z-score"]
    words += ["--tell", f"webhook+http://127.0.0.1:{port}/#token={{env:TOKEN}}", "--format", "events", "--log", "none"]
    with (folder / "err").open("a") as err:
        return started(
            [*words, *more],
            **{"cwd": folder, "env": os.environ | {"TOKEN": "s3cret"}, "stdin": subprocess.DEVNULL, "stderr": err},
            stdout=subprocess.PIPE,
            text=True,
        )


def test_each_event_arrives_though_the_run_is_killed_and_the_receiver_was_away(tmp_path, web):
    """Also the order of an episode's events is kept, and the token is never shown."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=1500)
    values[200::100] += 30 + rng.normal(size=13)
    lines = [f"{1_700_000_000 + 60 * at},{value:.4f}" for at, value in enumerate(values.tolist())]
    (tmp_path / "readings.csv").write_text("\n".join(["time,value", *lines, ""]), encoding="utf-8")
    whole = run_of(tmp_path, web.port, "--delay", "0")
    expected = [json.loads(line) for line in whole.communicate(timeout=300)[0].splitlines()]
    assert whole.returncode == 0
    assert [request.json for request in web.requests] == expected
    assert len(expected) >= 20
    assert {request.headers["Authorization"] for request in web.requests} == {"Bearer s3cret"}
    web.requests.clear()
    web.answer = lambda _: (503, b"away", {})
    kept = ["--checkpoint", "kept", "--checkpoint-every", "0.05", "--delay", "0.001"]
    killed = run_of(tmp_path, web.port, *kept)
    wait_until(lambda: len(web.requests) >= 2, 60)
    since = time.monotonic()
    wait_until(lambda: (tmp_path / "kept").exists() and time.monotonic() > since + 0.2, 60)
    with killed:
        killed.kill()
    web.requests.clear()
    web.answer = lambda _: (200, b"", {})
    rest = run_of(tmp_path, web.port, *kept)
    rest.communicate(timeout=300)
    assert rest.returncode == 0
    got = [(request.json["id"], request.json["event"]) for request in web.requests]
    wanted = [(event["id"], event["event"]) for event in expected]
    assert list(dict.fromkeys(got)) == wanted
    again = run_of(tmp_path, web.port, *kept)
    again.communicate(timeout=300)
    assert len(web.requests) == len(got), "what was delivered is not sent again"
    said = (tmp_path / "err").read_text(encoding="utf-8")
    assert "not delivered: the server says 503" in said
    assert "s3cret" not in said
