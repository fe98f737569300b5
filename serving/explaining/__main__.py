"""`python -m serving.explaining`: explain one answer; what is asked comes on standard input, as JSON."""

import os
import sys

import msgspec

from data.reasons import Asked
from keepfit.errors import KeepfitError
from keepfit.settings import Settings
from serving.explaining.afterwards import reasons


def main() -> None:
    """Write what was found to standard output."""
    os.nice(10)  # somebody looks at a page; whoever asks for predictions comes first
    try:
        asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)
        found = reasons(asked, Settings.from_env())
    except (KeepfitError, msgspec.MsgspecError) as fault:
        sys.exit(f"keepfit: {fault}")
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
