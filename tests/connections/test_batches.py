from streamforest.connections.batches import Batch, BatchQueue, Outcome


def test_batches_come_out_in_their_order_and_all_at_once():
    queue = BatchQueue()
    batches = [Batch(b"1", 0.0), Batch(b"2", 0.0)]
    assert all(map(queue.put, batches))
    assert queue.take(0.0) == batches
    assert queue.take(0.0) == []


def test_a_queue_with_too_many_batches_or_bytes_takes_no_more_until_they_are_taken():
    for queue in (BatchQueue(most=2), BatchQueue(most_bytes=6)):
        assert queue.put(Batch(b"123", 0.0))
        assert queue.put(Batch(b"456", 0.0))
        assert queue.is_full
        assert not queue.put(Batch(b"7", 0.0))
        assert len(queue.take(0.0)) == 2
        assert queue.put(Batch(b"7", 0.0))


def test_a_batch_that_waits_at_the_end_is_postponed_and_a_later_one_not_taken():
    queue, batch = BatchQueue(), Batch(b"1", 0.0)
    queue.put(batch)
    queue.end("over")
    assert batch.outcome.result(0) == Outcome("postponed", "over")
    assert not queue.put(Batch(b"2", 0.0))


def test_the_first_outcome_of_a_batch_stays():
    batch = Batch(b"1", 0.0)
    batch.end(Outcome(points=1))
    batch.end(Outcome("postponed", "over"))
    assert batch.outcome.result(0).points == 1
