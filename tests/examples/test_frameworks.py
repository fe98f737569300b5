"""Projects that bring their own ONNX, each turned once: check, import, retrain, publish, predict."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from control.stack import Stack
from data.releases import read_pointer, released
from data.signatures import Trust
from examples.flights import history
from keepfit.settings import ROOT, Settings
from serving.client import Client
from serving.contract import Row
from serving.predictor import Predictor
from tests.e2e.worlds import eventually, free_port
from tests.examples.torching import python_with_torch

# Making the environment of PyTorch may download a gigabyte.
pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(1500)]

UNTIL = date(2013, 2, 1)
FRAMEWORKS = {"lightgbm": "lib_lightgbm", "torch": "libtorch"}
"""Each with the library that a process has loaded which uses it."""


@dataclass(frozen=True)
class Turned:
    """What was said on the way, and the service at its end."""

    framework: str
    settings: Settings
    checked: dict[str, Any]
    imported: dict[str, Any]
    decision: dict[str, Any]
    client: Client
    server: subprocess.Popen[bytes]


@pytest.fixture(scope="module", params=sorted(FRAMEWORKS))
def turned(
    request: pytest.FixtureRequest, real_stack: Stack, settings: Settings, tmp_path_factory: Any
) -> Iterator[Turned]:
    assert real_stack.addresses()
    framework: str = request.param
    python = Path(sys.executable) if framework == "lightgbm" else python_with_torch()
    where, home = f"examples/{framework}_flights", tmp_path_factory.mktemp(framework)
    # Prefect and MLflow of the stack, all else of one's own.
    name, port = f"{framework}-flights", free_port()
    here = replace(settings, home=home, project_name=name, serving_port=port, workers=1)
    history.write_history(home / "january.parquet", until=UNTIL, share=0.4)
    server = subprocess.Popen([sys.executable, "-m", "serving"], cwd=ROOT, env=environment(here))
    with Client(here.serving_url, timeout_s=30) as client:
        try:
            eventually(client.is_live)
            yield Turned(
                framework,
                here,
                keepfit(here, python, "check", "-p", where),
                keepfit(here, python, "import", f"{home}/january.parquet", "-p", where),
                keepfit(here, python, "retrain", "-p", where, "--as-of", f"{UNTIL}"),
                client,
                server,
            )
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(30) == 0


def environment(settings: Settings) -> dict[str, str]:
    # Each process imports the same large libraries: let the first one keep what it compiled.
    told = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**told, **settings.environment(), "PYTHONPATH": str(ROOT)}


def keepfit(settings: Settings, python: Path, *arguments: str) -> dict[str, Any]:
    """Run the command line in a Python that has the framework, as bin/keepfit does in .venv's."""
    done = subprocess.run(
        [str(python), "-P", "-m", "control.cli", *arguments, "--json"],
        env=environment(settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def test_check_finds_nothing_to_object_to(turned: Turned) -> None:
    assert turned.checked["ok"]
    assert [trial["objection"] for trial in turned.checked["trials"]] == [None] * 9


def test_history_is_taken_in_whole(turned: Turned) -> None:
    assert turned.imported["rows"] > 5000
    assert turned.imported["quarantined"] == 0


def test_the_first_model_keeps_its_gates_and_goes_live(turned: Turned) -> None:
    decision = turned.decision
    assert decision["promote"], decision["objections"]
    assert decision["challenger_scores"]["roc_auc"] >= 0.6
    assert (decision["version"], decision["workers"]) == (1, 1)


def test_what_is_served_agrees_with_the_estimator_on_every_real_row(turned: Turned) -> None:
    assert turned.decision["rows_holdout"] > 1000
    assert turned.decision["parity"] == 1


def test_the_service_answers_as_the_published_bundle_does(turned: Turned) -> None:
    rows = [
        {"carrier": carrier, "dest": dest, **RIGHT_NOW}
        for carrier, dest in [("UA", "LAX"), ("B6", "BOS"), ("a new one", "nowhere")]
    ]
    rows.append({"carrier": "UA", "dest": "LAX", **{name: RIGHT_NOW[name] for name in SCHEDULED}})
    answered = turned.client.predict([Row(row) for row in rows])
    assert (answered.version, answered.captured) == (1, True)
    releases = turned.settings.releases(turned.settings.project_name)
    pointer = read_pointer(releases)
    assert pointer is not None
    assert pointer.digest is not None
    expected = Predictor(released(releases, pointer.digest, Trust.of(turned.settings))).predict(rows)
    given = [prediction.probabilities[1] for prediction in answered.predictions if prediction.probabilities]
    np.testing.assert_allclose(given, expected[:, 0], rtol=1e-6)
    assert len(set(given)) == len(rows), "the categories and the weather count for something"


RIGHT_NOW: dict[str, Any] = {
    **{"origin": "JFK", "minute_of_day": 1080, "weekday": 5, "distance": 2475, "planned_minutes": 375},
    **{
        "temp": 31.5,
        "humid": 88,
        "wind_speed": 21,
        "wind_gust": 30,
        "precip": 5,
        "pressure": 1004,
        "visib": 2,
    },
}
SCHEDULED = ["origin", "minute_of_day", "weekday", "distance", "planned_minutes"]


def test_no_worker_has_loaded_the_framework(turned: Turned) -> None:
    everyone = [psutil.Process(turned.server.pid), *psutil.Process(turned.server.pid).children()]
    loaded = " ".join(place.path for process in everyone for place in process.memory_maps())
    assert "onnxruntime" in loaded
    assert FRAMEWORKS[turned.framework] not in loaded
