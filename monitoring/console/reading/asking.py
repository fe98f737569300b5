"""Asking why an answer was given: of a process of its own, for no model runs in the console."""

import hashlib
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from threading import BoundedSemaphore, Lock

import msgspec

from data.reasons import Asked, Reasons
from keepfit.settings import ROOT, Settings, inherited_environment

COMMAND = (sys.executable, "-m", "serving.explaining")
_PASSED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "HOME", "TMPDIR")
_AT_ONCE = 2
_KEPT = 128
"""So many explanations are kept; of 200 features each they are some megabytes."""


class Asking:
    """Has answers explained: two at once, a few more wait, and what was explained is kept for a while."""

    def __init__(self, settings: Settings, command: Sequence[str] = COMMAND) -> None:
        self._settings = settings
        self._command = command
        self._free = BoundedSemaphore(_AT_ONCE)
        self._places = Lock()
        self._asked = 0
        self._kept: OrderedDict[bytes, Reasons] = OrderedDict()

    def why(self, asked: Asked) -> Reasons:
        """Explain an answer, which may take seconds; where nobody can, that is said in a sentence."""
        question = msgspec.json.encode(asked)
        key = hashlib.sha256(question).digest()  # a row may hold long texts
        with self._places:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return kept
            others = self._asked
            if others >= _AT_ONCE + self._settings.explain_waiting:
                return Reasons(
                    unknown=f"{others} others are being explained; open this page again in a moment"
                )
            self._asked += 1
        try:
            with self._free:
                found = self._run(question)
        finally:
            with self._places:
                self._asked -= 1
        if found.unknown is None:
            with self._places:
                self._kept[key] = found
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return found

    def _run(self, question: bytes) -> Reasons:
        most_s = self._settings.load_s + self._settings.explain_s
        try:
            ran = subprocess.run(
                self._command,
                input=question,
                capture_output=True,
                cwd=ROOT,
                env=self._environment(),
                timeout=most_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            late = f"no time was left: to load the model and to explain its answer may take {most_s:g} s"
            return Reasons(unknown=f"{late} (KEEPFIT_LOAD_S and KEEPFIT_EXPLAIN_S let it take longer)")
        except OSError as fault:
            return Reasons(unknown=f"no process could be started that explains it: {fault.strerror}")
        try:
            return msgspec.json.decode(ran.stdout, type=Reasons)
        except msgspec.MsgspecError:
            said = ran.stderr.decode("utf-8", "replace").strip().splitlines()
            last = said[-1].removeprefix("keepfit: ")[:500] if said else "it said nothing"
            return Reasons(unknown=f"the process that explains it ended with {ran.returncode}: {last}")

    def _environment(self) -> dict[str, str]:
        """Tell it where the keys are and what it may take; it needs no secret, and gets none."""
        inherited = inherited_environment()
        given = {name: inherited[name] for name in _PASSED if name in inherited}
        told = replace(self._settings, database_url=None, api_key=None).environment()
        return {**given, **told, "OMP_NUM_THREADS": "1"}
