"""A Python that has PyTorch, beside .venv: in the lock it would cost most machines gigabytes."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from keepfit.settings import ROOT

TORCH = "2.13.0"
# The build without CUDA, where it can be had: as `2.13.0+cpu` it counts as the newer of the two.
INDEX = "https://download.pytorch.org/whl/cpu"
_FOLDER = ROOT / ".torch"


def python_with_torch() -> Path:
    """Give the Python of .torch, which is made when it is not there: of .venv's packages, and PyTorch.

    A test that needs it fails where PyTorch cannot be had: nobody would see what is skipped.
    """
    python, stamp = _FOLDER / "bin" / "python", _FOLDER / "made-of"
    packages = sysconfig.get_path("purelib")
    made_of = f"torch {TORCH}\n{sys.version}\n{packages}\n"
    if stamp.is_file() and stamp.read_text() == made_of:
        return python
    _run("make an environment for PyTorch", sys.executable, "-m", "venv", "--clear", str(_FOLDER))
    inside = _run("look into it", str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    (Path(inside.strip()) / "keepfit.pth").write_text(packages)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    # The index of PyTorch may be out of reach: then PyPI's build is taken, or what this machine has.
    pip += ["--retries", "1", "--timeout", "20", "--extra-index-url", INDEX, f"torch=={TORCH}"]
    _run(f"install torch=={TORCH}", *pip)
    stamp.write_text(made_of)
    return python


def _run(what: str, *command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        pytest.fail(
            f"the example examples/torch_flights needs PyTorch, and this machine could not {what}: {last}\n"
            f"Let pip reach PyPI or {INDEX}, or run the other tests with --deselect tests/examples/"
            "test_frameworks.py"
        )
    return done.stdout
