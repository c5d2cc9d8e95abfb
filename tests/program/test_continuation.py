import pytest

from streamforest.program import continuation
from tests.chosen import options_of


@pytest.mark.parametrize(
    "arguments",
    [
        ("--alarm-rate", "0.01"),
        ("--cool-down", "7"),
        ("--direction", "up"),
        ("--key-column", "pump"),
        ("--detector", "z-score"),
        ("--seed", "99"),
        ("--holidays", "DE-BY"),
        ("--model", "another.joblib"),
    ],
)
def test_a_run_is_told_from_another_by_what_decides_its_verdicts(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "another.joblib").write_bytes(b"a model")
    known = continuation.fingerprint_of(options_of("a.csv"))
    assert continuation.fingerprint_of(options_of("a.csv", *arguments)) != known
    assert (
        continuation.fingerprint_of(options_of(str(tmp_path / "a.csv"), "--delay", "1", "--log", "other.log")) == known
    )


def test_a_fingerprint_has_no_password_and_a_model_that_is_gone_has_no_digest(tmp_path):
    assert "secret" not in str(continuation.fingerprint_of(options_of("mqtt://me:secret@host/a")))
    assert continuation.digest_of(tmp_path / "gone.joblib") == ""
