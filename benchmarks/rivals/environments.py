"""An environment for each rival, made when it is first needed and kept while its pins are the same."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.rivals.catalogue import RIVALS
from keepfit.settings import ROOT, inherited_environment

_INSTALL_S = 900


class NotInstalled(Exception):
    """A rival's environment could not be made; the message says why."""


def installed(folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Make what is not there yet; give the environments by the rivals' names, and why others have none."""
    folder.mkdir(parents=True, exist_ok=True)
    places: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for rival in RIVALS:
        try:
            places[rival.name] = environment(rival.name, rival.pins, folder)
        except NotInstalled as fault:
            missing[rival.name] = str(fault)
    return places, missing


def environment(name: str, pins: Path, folder: Path) -> Path:
    """Give the environment of these pins below `folder`; made where it is not there yet."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    place = folder / f"{pins.stem}-{python}-{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
    if not (place / "whole").exists():
        print(f"installing {name} into {place}, once", flush=True)
        shutil.rmtree(place, ignore_errors=True)
        _install(pins, place)
        (place / "whole").touch()  # last: what was interrupted is made again
    return place


def _install(pins: Path, place: Path) -> None:
    within = str(place / "bin" / "python")
    uv = shutil.which("uv") or shutil.which("uv", path=ROOT / ".uv" / "bin")  # as `make setup` finds it
    if uv:
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(place))
        words = ("--quiet", "--compile-bytecode", "--python", within, "--requirement", str(pins))
        _run(uv, "pip", "install", *words)
    else:
        _run(sys.executable, "-m", "venv", str(place))
        _run(within, "-m", "pip", "install", "--quiet", "--requirement", str(pins))


def variables(place: Path) -> dict[str, str]:
    """Say what a process in an environment is told: its programs first, and one thread for one core."""
    path = f"{place / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    return inherited_environment() | {
        "PATH": path,
        "OMP_NUM_THREADS": "1",
        "DO_NOT_TRACK": "true",
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _run(*command: str) -> None:
    told = f"`{Path(command[0]).name} {' '.join(command[1:3])}`"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        msg = f"could not be installed: {told} took more than {_INSTALL_S} s"
        raise NotInstalled(msg) from None
    if done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        msg = f"could not be installed: {told} failed: {' '.join(said)[-300:]}"
        raise NotInstalled(msg)
