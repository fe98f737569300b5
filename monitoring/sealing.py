"""A page that can do nothing but draw: no name in it becomes markup, and no foreign script runs in it."""

import base64
import hashlib
import re
from collections.abc import Sequence

# Evidently writes names and categories into a script element as they are, so one called </script> would
# end it; plotly reads markup, entities and $TeX$ in them. What could do either is written with a lookalike.
_LOOKALIKES = str.maketrans("<>&\"'`\\{}$", "‹›＆”’‘＼❴❵＄")  # noqa: RUF001 - lookalikes are the point
_SCRIPT = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)
_SCRIPTS = 4
"""The data, what its libraries miss, the libraries, and the call that draws."""


def neutral(texts: Sequence[str]) -> list[str]:
    """Rename texts so that none can become markup; different ones stay different."""
    taken: set[str] = set()
    renamed: list[str] = []
    for text in texts:
        plain = "".join(c if c.isprintable() else "?" for c in text.translate(_LOOKALIKES))
        plain = plain if len(plain) <= 60 else f"{plain[:59]}…"
        name, count = plain, 1
        while name in taken:
            count += 1
            name = f"{plain} ({count})"
        taken.add(name)
        renamed.append(name)
    return renamed


def sealed(page: str) -> str:
    """Give a page of Evidently's a policy of its own, which holds wherever it is opened, from a disk too.

    It names the hash of each script, so that no other runs, nor an event's. Raises ValueError where the page
    has more or fewer than Evidently writes: then one of them may be somebody else's.
    """
    scripts = _SCRIPT.findall(page)
    if len(scripts) != _SCRIPTS or page.count("<head>") < 1:
        msg = f"Evidently's page has {len(scripts)} scripts instead of {_SCRIPTS}, so it was not kept"
        raise ValueError(msg)
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "font-src data:; form-action 'none'; base-uri 'none'"
    )
    return page.replace("<head>", f'<head><meta http-equiv="Content-Security-Policy" content="{policy}">', 1)


def _hash(script: str) -> str:
    # Browsers hash what they parsed, and that has no carriage return.
    read = script.replace("\r\n", "\n").replace("\r", "\n")
    return base64.b64encode(hashlib.sha256(read.encode()).digest()).decode()
