from tests.listeners import END, EVENT, receiver


def test_slack_gets_a_text_in_which_nothing_is_a_mention(web):
    sink = receiver(f"slack+http://127.0.0.1:{web.port}/services/{{env:HOOK}}", {"HOOK": "T0/B0/key"})
    sink.send(EVENT | {"key": "<!channel>"})
    sink.send(END)
    first, end = web.requests
    assert first.path == "/services/T0/B0/key"
    assert first.json == {
        "text": "pump.csv &lt;!channel&gt;: spike: 83.1, expected 41 ± 6.8\n"
        "from 2024-05-01T00:00:00Z · id 0123456789abcdef"
    }
    assert end.json["text"].startswith("pump.csv: over after 4 points: ")
    assert "until 2024-05-01T00:05:00Z" in end.json["text"]


def test_teams_gets_a_card(web):
    receiver(f"teams+http://127.0.0.1:{web.port}/hooks/x?sig=y").send(EVENT)
    (request,) = web.requests
    assert request.path == "/hooks/x?sig=y"
    (attachment,) = request.json["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"]["type"] == "AdaptiveCard"
    assert attachment["content"]["body"][0]["text"] == "pump.csv: spike: 83.1, expected 41 ± 6.8"
