"""What Python runs first in a process that has this folder on its path: only a chaos run puts it there."""

import os
from pathlib import Path

if folder := os.environ.get("KEEPFIT_CHAOS"):
    from tests.chaos import armed, bugs

    armed.arm(Path(folder))
    if planted := os.environ.get("KEEPFIT_BUG"):
        bugs.plant(planted)
