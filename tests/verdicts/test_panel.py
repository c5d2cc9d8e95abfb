from streamforest.verdicts.panel import Panel, Row


def test_a_panel_is_as_plain_as_its_parts():
    row = Row("alarm rate", "0.1 %")
    assert (row.share, row.is_changed) == (None, False)
    panel = Panel("what if", (row,), 0, "no alarm, as before", "", None, 1)
    assert panel._replace(version=2) != panel
