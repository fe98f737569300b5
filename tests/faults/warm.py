"""A process that has imported everything and forks a child for each call: a death costs no import.

As a program it serves one module: it reads `start` and `wait` from its input, and answers on its output.
"""

import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from keepfit.errors import KeepfitError
from keepfit.settings import ROOT


@dataclass(frozen=True)
class End:
    """How a child ended: by a signal, or with what its function returned or said in refusing."""

    signal: int | None
    returned: Any = None
    refused: str | None = None


@dataclass
class Warm:
    """One such process; the functions of `module` are called by name, with what JSON can carry."""

    module: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="keepfit-warm-")
        # Libraries that start threads of their own as they are imported could not be forked.
        alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._served = subprocess.Popen(
            [sys.executable, "-m", __name__, self.module],
            cwd=ROOT,
            env={**os.environ, **self.environment, **alone},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _fault: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._served.stdin is not None
        self._served.stdin.close()
        self._served.wait(30)
        assert self._served.stdout is not None
        self._served.stdout.close()
        self._folder.cleanup()

    def start(self, name: str, *given: object) -> int:
        """Begin a call in a child; return its pid."""
        return self._asked("start", self._folder.name, name, given)

    def wait(self, pid: int) -> End:
        """Wait for a child's end; raise what it raised, where that is nothing that a person is told."""
        status = self._asked("wait", pid)
        told = Path(self._folder.name) / f"{pid}.json"
        if os.WIFSIGNALED(status):
            return End(os.WTERMSIG(status))
        said = json.loads(told.read_text())
        assert "raised" not in said, said["raised"]
        return End(None, **said)

    def call(self, name: str, *given: object) -> End:
        """Call in a child, and wait for its end."""
        return self.wait(self.start(name, *given))

    def _asked(self, *line: object) -> int:
        assert self._served.stdin is not None
        assert self._served.stdout is not None
        self._served.stdin.write(json.dumps(line) + "\n")
        self._served.stdin.flush()
        return int(self._served.stdout.readline())


def _serve(module: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    functions = importlib.import_module(module)
    assert threading.active_count() == 1, threading.enumerate()
    gc.freeze()  # pages that the collector does not touch are not copied for each child
    for line in sys.stdin:
        asked, *rest = json.loads(line)
        print(os.waitpid(rest[0], 0)[1] if asked == "wait" else _fork(functions, *rest), file=answers)
        answers.flush()


def _fork(functions: Any, folder: str, name: str, given: list[object]) -> int:
    if (pid := os.fork()) != 0:
        return pid
    said: dict[str, object]
    try:
        said = {"returned": getattr(functions, name)(*given)}
    except KeepfitError as refusal:
        said = {"refused": str(refusal)}
    except BaseException:  # noqa: BLE001 - the test shows it
        said = {"raised": traceback.format_exc()}
    (Path(folder) / f"{os.getpid()}.json").write_text(json.dumps(said))
    os._exit(0)


if __name__ == "__main__":
    _serve(sys.argv[1])
