import pytest

from tests.listeners import END, EVENT, WORSE, receiver


def test_an_event_is_published_to_its_topic_as_urgent_as_it_is(web):
    sink = receiver(f"ntfy+http://127.0.0.1:{web.port}/sub/pumps#token={{env:T}}&priority=3", {"T": "tk_1234"})
    for message in (EVENT, WORSE, END):
        sink.send(message)
    first, worse, end = web.requests
    assert (first.path, first.headers["Authorization"]) == ("/sub/", "Bearer tk_1234")
    assert first.json == {
        "topic": "pumps",
        "title": "pump.csv",
        "message": "spike: 83.1, expected 41 ± 6.8\nfrom 2024-05-01T00:00:00Z, id 0123456789abcdef",
        "priority": 3,
        "tags": ["warning", "0123456789abcdef"],
    }
    assert (worse.json["priority"], end.json["priority"]) == (5, 2)
    assert end.json["message"].startswith("over after 4 points: spike")


@pytest.mark.parametrize("word", ["ntfy://ntfy.example.org", "ntfy://ntfy.example.org/t#priority=6"])
def test_an_address_without_topic_or_with_a_wrong_priority_is_refused(word):
    with pytest.raises(ValueError, match=r"topic|priority"):
        receiver(word)
