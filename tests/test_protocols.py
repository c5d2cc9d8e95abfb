import numpy as np
import pytest

from streamforest.protocols import LABELS, REASONS, VERDICT_DTYPE, Verdict, explain, verdict_from_row


def row(**fields):
    verdict = np.zeros((), dtype=VERDICT_DTYPE)
    for name in VERDICT_DTYPE.names:
        if VERDICT_DTYPE[name].kind == "f":
            verdict[name] = np.nan
    verdict["label"] = -1
    for name, value in fields.items():
        verdict[name] = value
    return verdict.item()


def test_what_is_unknown_is_none_and_never_zero():
    assert verdict_from_row(row(index=7)) == Verdict(
        7, None, None, None, None, None, None, False, None, None, None, None, ""
    )


def test_a_verdict_has_the_fields_of_its_array_in_their_order():
    assert Verdict._fields == VERDICT_DTYPE.names


@pytest.mark.parametrize("label", range(len(LABELS)))
def test_a_label_is_told_by_its_name(label):
    assert verdict_from_row(row(label=label)).label == LABELS[label]


def test_a_reason_names_the_kind_with_the_numbers():
    verdict = verdict_from_row(
        row(value=83.1, expected=41.0, lower=34.2, upper=47.8, is_anomaly=True, episode=3, reason=1)
    )
    assert verdict.reason == "spike: 83.1, expected 41 +- 6.8"
    assert verdict.episode == 3
    assert explain(REASONS.index("gap"), None, 41.0, 34.2, 47.8) == "gap: no reading, expected 41 +- 6.8"
    assert explain(0, 1.0, 1.0, 0.0, 2.0) == ""
