import pytest

pytest.importorskip("pyspark")

from streamforest.engines import spark_kafka

WORDS = ["127.0.0.1:9092", "readings", "verdicts", "checkpoint"]


@pytest.mark.parametrize("waits", [["--gap", "60"], ["--silence", "600"]])
def test_what_would_never_end_is_refused_before_spark_starts(waits, capsys):
    with pytest.raises(SystemExit) as ending:
        spark_kafka.main([*WORDS, "--once", *waits])
    assert ending.value.code == 2
    assert "does not end" in capsys.readouterr().err


def test_a_path_too_few_is_told(capsys):
    with pytest.raises(SystemExit) as ending:
        spark_kafka.main(WORDS[:1])
    assert ending.value.code == 2
    assert "required" in capsys.readouterr().err
