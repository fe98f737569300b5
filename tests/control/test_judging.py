import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from control.judging import Told, compare
from keepfit.errors import FileUnreadable
from tests.monitoring.windows_of import features, project


def written(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_two_files_are_judged_in_every_format(tmp_path: Path, suffix: Any) -> None:
    before, after = features(1000, 1), features(800, 2)
    after["distance"] += 200
    files = [written(f, tmp_path / f"{n}.{suffix}") for n, f in (("a", before), ("b", after))]
    told = compare(*files)
    assert told.text().startswith("drift (1,000 reference and 800 current rows, p = ")
    assert "median of distance 24 % higher" in told.text()
    said = json.loads(json.dumps(told.json()))
    assert (said["drift"], said["rows"]) == (True, {"reference": 1000, "current": 800})
    assert said["findings"][0]["column"] == "distance"


def test_a_project_names_the_columns_and_the_days(tmp_path: Path) -> None:
    frames = [features(n, seed).assign(late=1, extra=seed) for n, seed in ((1400, 1), (700, 2))]
    for frame, first in zip(frames, ("2026-01-01", "2026-01-29"), strict=True):
        frame["predicted_at"] = pd.date_range(first, periods=len(frame), freq="1728s", tz="UTC")
    files = [written(f, tmp_path / f"{n}.csv") for n, f in zip("ab", frames, strict=True)]
    told = compare(*files, project())
    assert (told.verdict.drift, told.verdict.blocks) == (False, "days")
    assert told.verdict.reasons[-1] == "not judged, as the project does not name them: extra"


def test_an_empty_file_cannot_say(tmp_path: Path) -> None:
    (tmp_path / "b.csv").touch()
    told = compare(written(features(300), tmp_path / "a.parquet"), tmp_path / "b.csv")
    assert told.json()["drift"] is None
    assert "the current window has 0 rows" in told.text()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none.csv", "there is no such file"),
        ("b.txt", "expected one of"),
        ("b.parquet", "cannot be read as Parquet"),
    ],
)
def test_what_is_no_file_of_rows_is_refused_by_name(tmp_path: Path, name: Any, why: Any) -> None:
    if name != "none.csv":
        (tmp_path / name).write_text("hello")
    with pytest.raises(FileUnreadable, match=f"{name}: {why}"):
        compare(written(features(300), tmp_path / "a.parquet"), tmp_path / name)


def test_of_a_very_large_file_stretches_are_judged_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control.judging._MOST_ROWS", 20_000)
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=70_000)})
    told: Told = compare(written(frame, tmp_path / "a.parquet"), written(frame, tmp_path / "b.parquet"))
    assert told.verdict.reference_rows < 40_000
    assert any("evenly spaced over all 70,000" in reason for reason in told.json()["reasons"])
