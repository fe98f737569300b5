"""A clock that a test sets, for a process with this folder on its PYTHONPATH.

CLOCK names a file that holds how many seconds the time of day is off, which may change at any time.
"""

import datetime
import os
import time
from pathlib import Path

from data import records

_CLOCK = Path(os.environ["CLOCK"])
_time, _time_ns, _now = time.time, time.time_ns, records.now


def _off() -> int:
    return int(_CLOCK.read_text())


time.time = lambda: _time() + _off()
time.time_ns = lambda: _time_ns() + _off() * 10**9
# Before anybody else has taken it from there.
records.now = lambda: _now() + datetime.timedelta(seconds=_off())
