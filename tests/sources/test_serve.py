import os
import tempfile
from collections import deque
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from streamforest.connections.batches import Batch
from streamforest.protocols import VERDICT_DTYPE, AnsweringSource, Refusal, ResumableSource
from streamforest.reading.column_layout import ANY_DIALECT, Asked
from streamforest.sources import serve
from streamforest.sources.serve import MOST_IDS, ServeSource
from streamforest.storage.resumption import KeepingSource

KEYED = Asked(key_column="key")


class Judge:
    """Reads a source as a run does, and marks values above 100."""

    def __init__(self, path=None, state=None, most=3):
        self.said, self.values, self.stop = [], [], SimpleNamespace(requested=False)
        self.source = ServeSource(KEYED, ANY_DIALECT, path, self.said.append)
        self.gap = None if state is None else self.source.restore(state)
        self.saved = self.source.state()
        self.source.written(self.saved)
        self.blocks = self.source.read(self.stop, most)

    def post(self, *values, **names):
        body = ",".join(f'{{"key":"a","value":{value},"time":{value}}}' for value in values)
        batch = Batch(f"[{body}]".encode(), 0.0, **names)
        assert self.source.queue.put(batch)
        return batch

    def judge(self, blocks=1):
        """Judge so many blocks; the source goes on, and gives outcomes, when it is asked for the next one."""
        for _ in range(blocks):
            self.take(next(self.blocks))

    def take(self, block):
        values = [item.value for item in block]
        refused = [i for i, value in enumerate(values) if value == 13]
        if refused:
            seen = len(self.values)
            self.source.answer([Refusal(f"reading {seen + i + 1}", "unlucky") for i in refused])
        self.values += values
        verdicts = np.zeros(len(block) - len(refused), VERDICT_DTYPE)
        verdicts["is_anomaly"] = [value > 100 for value in values if value != 13]
        self.source.take(verdicts)

    def close(self):
        self.blocks.close()
        self.source.close()


@pytest.fixture
def judge():
    found = Judge()
    yield found
    found.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "c"


def test_it_is_a_source_that_answers_resumes_and_keeps(judge):
    assert isinstance(judge.source, AnsweringSource)
    assert isinstance(judge.source, ResumableSource)
    assert isinstance(judge.source, KeepingSource)
    assert judge.saved == {}


def test_a_batch_has_its_outcome_once_all_of_it_is_judged(judge):
    first, second = judge.post(1, 13, 200, 4), judge.post(5)
    judge.judge(2)
    assert not first.outcome.done()
    judge.judge()
    outcome = first.outcome.result(0)
    assert (outcome.state, outcome.points, outcome.anomalies, outcome.refused) == ("judged", 3, 1, 1)
    assert outcome.refusals == (("item 2", "unlucky"),)
    assert not second.outcome.done()
    assert judge.values == [1, 13, 200, 4, 5]


def test_a_batch_that_is_sent_again_is_judged_once(judge):
    first, twin, other = judge.post(1, id="x"), judge.post(1, id="x"), judge.post(2, id="x", client="b")
    judge.judge(2)
    again = judge.post(1, id="x")
    last = judge.post(3)
    judge.judge()
    assert judge.values == [1, 2, 3]
    assert not first.outcome.result(0).is_repeated
    assert twin.outcome.result(0).is_repeated
    assert again.outcome.result(0).is_repeated
    assert again.outcome.result(0).points == 1
    assert not other.outcome.result(0).is_repeated
    assert not last.outcome.done()


def test_of_each_client_the_newest_ids_are_kept(judge):
    for i in range(MOST_IDS + 1):
        judge.post(i, id=str(i))
        judge.judge()
    judge.post(0, id="0")
    judge.post(1, id=str(MOST_IDS - 1))
    judge.post(7)
    judge.judge(2)
    assert judge.values[-2:] == [0, 7]


def test_no_more_of_what_waits_is_read_than_may_be_in_memory(judge, monkeypatch):
    monkeypatch.setattr(serve, "MOST_READINGS", 2)
    unread = Batch(b"{", 0.0)
    batches = [judge.post(value) for value in range(5)]
    judge.source.queue.put(unread)
    judge.judge(2)
    assert not unread.outcome.done()
    judge.judge(3)
    assert unread.outcome.result(0).state == "unread"
    judge.post(5)
    judge.judge()
    assert judge.values == [0, 1, 2, 3, 4, 5]
    late = [judge.post(value) for value in range(6, 10)]
    judge.judge()
    judge.source.close()
    assert all(batch.outcome.result(0).state == "judged" for batch in batches)
    assert [batch.outcome.result(0).state for batch in late] == ["judged", *3 * ["postponed"]]


def test_a_body_that_cannot_be_read_holds_nobody_up(judge):
    wrong = Batch(b"{", 0.0)
    judge.source.queue.put(wrong)
    judge.post(1)
    judge.judge()
    assert wrong.outcome.result(0).state == "unread"
    assert judge.values == [1]


def test_without_a_path_what_is_not_judged_at_the_end_is_postponed_and_with_one_it_is_kept(judge, path):
    kept = Judge(path)
    for run, state in ((judge, "postponed"), (kept, "kept")):
        done, rest, unread = run.post(1), run.post(2), run.post(3)
        run.judge(2)
        late = run.post(4)
        run.source.close()
        assert done.outcome.result(0).state == "judged"
        assert rest.outcome.result(0).state == "judged"  # all of it was, though the source was not asked again
        assert unread.outcome.result(0).state == state
        assert late.outcome.result(0).state == "postponed"
    kept.close()


def test_a_full_disk_postpones_what_is_posted_and_is_reported_once(path, monkeypatch):
    judge = Judge(path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    batches = [judge.post(1), judge.post(2)]
    judge.source._new(deque(judge.source.queue.take(0.0)))
    assert judge.values == []
    assert {batch.outcome.result(0).state for batch in batches} == {"postponed"}
    assert len(judge.said) == 1
    monkeypatch.undo()
    judge.close()


def test_after_a_kill_all_that_was_answered_is_judged_from_the_checkpoint_on(path):
    first = Judge(path)
    for value in range(1, 6):
        first.post(value, value + 0.5, id=str(value))
    first.judge(3)
    state = first.source.state()  # in the midst of what was taken together
    first.judge(2)
    first.post(6, id="6")
    first.judge()
    second = Judge(path, state)
    assert second.gap == ""
    second.post(6, id="6")
    second.post(7, id="7")
    second.judge(4)
    assert second.values == [4, 4.5, 5, 5.5, 6, 7]
    first.close()
    second.close()


def test_two_checkpoints_at_one_place_need_the_same_batches(path):
    first = Judge(path)
    first.post(1)
    first.judge()
    for _ in range(3):
        state = first.source.state()
        first.source.written(state)
    second = Judge(path, state)
    assert second.gap == ""
    second.post(2)
    second.judge()
    assert second.values == [2]
    first.close()
    second.close()


def test_a_log_that_is_gone_is_reported(path):
    first = Judge(path)
    first.close()
    for file in path.parent.iterdir():
        file.unlink()
    second = Judge(path, first.saved)
    assert "gone" in second.gap
    second.close()


class Kills(RuleBasedStateMachine):
    """Clients that send again what was not answered, and a run that is killed: each reading is judged once."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "c"
        self.judge = Judge(self.path)
        self.kept = [(self.judge.saved, [])]  # what the two checkpoints hold, and the values judged before each
        self.before = []  # of the checkpoint that the run went on from
        self.numbers = count(1)
        self.unanswered, self.answered = {}, set()

    @property
    def judged(self):
        return self.before + self.judge.values

    def send(self, n):
        name = next(self.numbers)
        values = [name * 10 + i for i in range(n)]
        self.unanswered[name] = values, self.judge.post(*values, id=str(name))
        return values[-1]

    @rule(n=st.integers(1, 8))
    def post(self, n):
        self.send(n)

    @rule(n=st.integers(1, 8), blocks=st.integers(1, 9))
    def judge_some(self, n, blocks):
        last = self.send(n)
        for _ in range(blocks):
            self.judge.judge()
            if self.judge.values[-1] == last:
                break
        self.look()

    def look(self):
        done = [name for name, (_, batch) in self.unanswered.items() if batch.outcome.done()]
        self.answered |= set(done)
        for name in done:
            del self.unanswered[name]

    @rule()
    def keep(self):
        state = self.judge.source.state()
        self.kept = [*self.kept, (state, self.judged)][-2:]
        self.judge.source.written(state)

    @rule(place=st.integers(-2, -1))
    def kill(self, place):
        """End it with nothing said, and go on from the newest checkpoint or the one before."""
        self.look()
        state, self.before = self.kept[max(place, -len(self.kept))]
        self.judge.source._log.close()
        self.judge = Judge(self.path, state)
        assert self.judge.gap == ""
        self.kept = [(state, self.before), (self.judge.saved, self.before)]
        for name, (values, _) in self.unanswered.items():
            self.unanswered[name] = values, self.judge.post(*values, id=str(name))

    def teardown(self):
        try:
            self.check()
        finally:
            self.judge.close()
            self.folder.cleanup()

    def check(self):
        last = self.send(1)
        while not self.judged or self.judged[-1] != last:
            self.judge.judge()
        everything = [name * 10 + i for name, (values, _) in self.unanswered.items() for i in range(len(values))]
        assert len(set(self.judged)) == len(self.judged)
        assert self.answered | {*self.unanswered} <= {int(value) // 10 for value in self.judged}
        assert {*everything} <= {*self.judged}


TestKills = Kills.TestCase
TestKills.settings = settings(max_examples=40, stateful_step_count=25)
