import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from streamforest.models.model_file import save_model
from tests.programs import PROJECT
from tests.servers import free_port, wait_until

pyspark = pytest.importorskip("pyspark", reason="needs streamforest/requirements/spark.txt")
engine = pytest.importorskip("streamforest.engines.spark")
kills = pytest.importorskip("benchmarks.kills")
parquet = pytest.importorskip("pyarrow.parquet")

#: Seconds: five Java programs start on a machine that may have other work.
PATIENCE = 600.0
#: Spark gives a new process of its own 10 seconds to answer: on a busy machine that may be too few.
TRIES = 4
BIN = Path(pyspark.__file__).parent / "bin"
ENVIRONMENT = os.environ | {
    "SPARK_LOCAL_IP": "127.0.0.1",
    "PYSPARK_PYTHON": sys.executable,
    "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # they live too short for others
}


@pytest.fixture
def start(tmp_path):
    """Start a program with its output in a file of a name; all are ended with those that they started."""
    running = []

    def start(name, *command):
        with (tmp_path / name).open("wb") as log:
            process = subprocess.Popen(
                [*map(str, command)], stdout=log, stderr=log, env=ENVIRONMENT | {"SPARK_LOCAL_DIRS": str(tmp_path)}
            )
        running.append(process)
        return process

    yield start
    for process in reversed(running):
        end(process)


def end(process):
    """As when a machine is lost: nobody is asked to finish anything."""
    for number in [process.pid, *(number for number, _ in kills.descendants(process.pid))]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    process.wait()


def says(log, words):
    return log.exists() and words in log.read_text(errors="replace")


def table_of(folder):
    """Rows of the files that count, by the log that Spark keeps in the folder."""
    files = set()
    for entry in (folder / "_spark_metadata").glob("[0-9]*"):
        files |= {json.loads(line)["path"] for line in entry.read_text().splitlines() if line.startswith("{")}
    tables = [parquet.ParquetFile(unquote(urlsplit(file).path)).read() for file in files]
    return [row for table in tables for row in table.to_pylist()]


def bits(row):
    """A row as ``kills.one_machine`` has it."""
    times = {"time": row["time"].timestamp()}
    numbers = [(row | times)[name] for name in list(engine.COLUMNS)[:-1]]
    return (row["key"], *(number.hex() if isinstance(number, float) else number for number in numbers))


def test_two_workers_one_of_them_lost_leave_the_tables_of_one_machine(model, start, tmp_path):
    try:
        engine.check_java()
    except engine.MissingPackageError as error:
        pytest.skip(str(error))
    forest, readings, output, port = (
        *(tmp_path / name for name in ("forest.joblib", "readings", "judged")),
        free_port(),
    )
    save_model(model, forest)
    readings.mkdir()
    batches = kills.make_batches(40, 3, seed=1)
    for number, batch in enumerate(batches, 1):
        kills.write_batch(batch, readings / f"{number}.csv")

    master = f"spark://127.0.0.1:{port}"
    spark_class = BIN / "spark-class", "org.apache.spark.deploy"
    here = "--host", "127.0.0.1", "--webui-port", 0
    start("master.log", spark_class[0], f"{spark_class[1]}.master.Master", *here, "--port", port)
    wait_until(lambda: says(tmp_path / "master.log", "I have been elected leader"), PATIENCE)
    workers = [
        start(
            f"worker {number}.log",
            *(spark_class[0], f"{spark_class[1]}.worker.Worker", *here, "--cores", 1, "--memory", "1g"),
            *("--work-dir", tmp_path / f"work {number}", master),
        )
        for number in range(2)
    ]
    for number in range(2):
        wait_until(lambda number=number: says(tmp_path / f"worker {number}.log", "Successfully registered"), PATIENCE)

    def judge():
        """Start the example, which goes on from its checkpoint."""
        return start(
            "query.log",
            *(BIN / "spark-submit", "--master", master, "--driver-java-options", engine.DRIVER_OPTIONS),
            *("--conf", f"spark.executorEnv.PYTHONPATH={PROJECT}", "--conf", "spark.driver.host=127.0.0.1"),
            *(PROJECT / "streamforest" / "engines" / "spark_files.py", readings, output, "--once"),
            *("--model", forest, "--alarm-rate", kills.RATE, "--files-per-batch", 1, "--shards", 4),
        )

    query = judge()
    wait_until(lambda: query.poll() is not None or kills.batches_begun(output) >= 2, PATIENCE)
    end(workers[0])
    for _ in range(TRIES):
        query.wait(PATIENCE)
        if query.returncode == 0 or not says(tmp_path / "query.log", "failed to connect back"):
            break
        query = judge()

    assert query.returncode == 0, (tmp_path / "query.log").read_text()[-3000:]
    assert says(tmp_path / "master.log", "Removing worker")
    expected, refused = kills.one_machine(forest, batches)
    verdicts, alarms = (table_of(output / name) for name in ("verdicts", "alarms"))
    judged = [bits(row) for row in verdicts if row["refusal"] is None]
    assert len(judged) == len(expected)
    assert set(judged) == expected
    assert len(verdicts) - len(judged) == refused > 0
    is_anomaly = 1 + list(engine.COLUMNS).index("is_anomaly")
    assert {bits(row) for row in alarms} == {row for row in expected if row[is_anomaly]}
