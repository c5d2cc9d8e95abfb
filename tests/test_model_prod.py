import shutil
import subprocess
import sys
from pathlib import Path

import model_prod
from streamforest.program import training

PROJECT = Path(model_prod.__file__).parent


def test_it_trains_by_the_settings_beside_it(monkeypatch, capsys, tmp_path):
    asked = []

    def train(*order):
        asked.append(order)
        return asked.append, training.TrainingReport(1, 0.0, 0.5, {}, {})

    monkeypatch.setitem(training.TRAINED, "isolation-forest", training.Trained("rows", train))
    monkeypatch.setattr(model_prod, "load_settings", lambda: {"SEED": 7, "MODEL": "made.joblib", "ALARM_RATE": 0.01})
    monkeypatch.setattr(model_prod, "FOLDER", tmp_path)
    assert model_prod.main([]) == 0
    assert asked == [(7, 0.01, None), tmp_path / "made.joblib"]
    assert capsys.readouterr().out.endswith(f"saved {tmp_path / 'made.joblib'}\n")


def test_a_wrong_settings_file_ends_with_2_and_one_line(tmp_path):
    shutil.copy(PROJECT / "model_prod.py", tmp_path)
    shutil.copytree(PROJECT / "streamforest", tmp_path / "streamforest", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "settings.py").write_text("SEED = (\n", encoding="utf-8")
    words = [sys.executable, str(tmp_path / "model_prod.py")]
    run = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (2, "", 1)
    assert run.stderr.startswith("model_prod.py: settings.py cannot be read: ")
