"""The tutorial, run as it stands: its commands in their order, in a real shell, and what it shows of each."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from keepfit.settings import ROOT
from tests.conftest import _quiet_ports

pytestmark = [pytest.mark.e2e, pytest.mark.long]

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
PORTS = {"8300": "SERVING", "8400": "CONSOLE", "4200": "PREFECT", "5000": "MLFLOW"}
UP = "Ctrl-C ends everything."
BLOCK = re.compile(r"^```(sh|sh terminal|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """Commands of one block, and the lines that the page shows of what they print."""

    commands: str
    stays: bool
    shown: list[str]


def steps() -> list[Step]:
    found: list[Step] = []
    for kind, text in BLOCK.findall(PAGE):
        if kind == "text":
            found[-1].shown.extend(line for line in text.splitlines() if line.strip())
        else:
            found.append(Step(text, kind == "sh terminal", []))
    return found


def bare(text: str) -> str:
    """Take away what differs from day to day and from machine to machine: numbers and ids."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "#", text)
    return re.sub(r"[-+]?\d+(\.\d+)?", "#", text)


class Shell:
    """A person's shells on a clone of their own, with a fresh home and free ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bin", ".venv", "examples", "keepfit"):
            (folder / name).symlink_to(ROOT / name)
        self.ports = dict(zip(PORTS, map(str, _quiet_ports(len(PORTS))), strict=True))
        foreign = ("KEEPFIT_", "PREFECT_", "MLFLOW_", "PYTHONPATH")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
            **{f"KEEPFIT_{PORTS[shown]}_PORT": port for shown, port in self.ports.items()},
            "KEEPFIT_HOME": str(folder / "home"),
        }
        self.staying: list[subprocess.Popen[str]] = []

    def run(self, commands: str) -> str:
        for shown, port in self.ports.items():
            commands = commands.replace(f"localhost:{shown}", f"localhost:{port}")
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def stay(self, command: str) -> str:
        """Run what stays, in a terminal of its own, until it is up; return what it printed so far."""
        log = self.folder / "terminal.log"
        with log.open("w") as said:
            started = subprocess.Popen(
                ["/bin/bash", "-c", f"exec {command.strip()}"],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        self.staying.append(started)
        assert started.stdout is not None
        printed: list[str] = []
        for line in started.stdout:
            printed.append(line)
            if UP in line:
                return "".join(printed)
        pytest.fail(f"{command} ended with {started.wait()}: {log.read_text()}")

    def close(self) -> None:
        for started in self.staying:
            if started.poll() is None:
                started.send_signal(signal.SIGTERM)
            started.wait(60)
            assert started.stdout is not None
            started.stdout.close()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    made.close()


def test_the_tutorial_does_what_it_says(shell: Shell) -> None:
    for step in steps():
        printed = bare((shell.stay if step.stays else shell.run)(step.commands))
        missing = [line for line in step.shown if bare(line.strip()) not in printed]
        assert missing == [], f"{step.commands}\n{printed}"
    assert [started.wait(60) for started in shell.staying] == [0]


def test_the_tutorial_has_every_step_of_the_loop() -> None:
    commands = re.findall(r"bin/keepfit (\w+)", "".join(step.commands for step in steps()))
    assert commands == ["new", "check", "up", "import", "retrain", "replay", "status", "down"]
