"""What else could have answered a replay: the first champion for good, or every challenger at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest

import numpy as np

from control.replay.checkpoint import Checkpoint
from data.bundles import Bundle
from data.examples import Examples, Numbers, query_examples
from keepfit.gates import Scores
from monitoring.performance import score
from monitoring.scoring import answers
from tasks.loop import Loop
from tasks.register import fetch
from tasks.rescore import rescore


@dataclass
class Policies:
    """The loop's own answers beside those of two policies, on the same rows.

    *frozen* keeps the champion of the beginning. *always* promotes every challenger, without a gate: each
    row is answered by the newest that there was when it fell due.
    """

    loop: Loop
    replay: Checkpoint
    _bundles: dict[int, Bundle] = field(default_factory=dict[int, Bundle])

    def scores(
        self, since: datetime, until: datetime, first_due: datetime
    ) -> tuple[int, Mapping[str, Scores]]:
        """Score the rows that were answered here and whose label became known in [since, until).

        `first_due` is when the earliest of them fell due, so that not all history is read. Returns their
        number, and the scores of `loop`, `frozen` and `always`.
        """
        found = query_examples(self.loop.store, self.loop.project, until, since=first_due)
        known = found.facts["label_known_at"]
        here = ((known >= since) & (known < until)).to_numpy(dtype=bool)
        rows = found.where(found.labelled & here & np.isfinite(found.outputs).all(axis=1))
        if not len(rows):
            return 0, {}
        answered = {
            "loop": rows.outputs,
            "frozen": rescore(self._bundle(self.replay.frozen), rows),
            "always": self._always(rows),
        }
        project = self.loop.project
        return len(rows), {
            name: score(project, rows.labels, answers(project.target, outputs))
            for name, outputs in answered.items()
        }

    def _always(self, rows: Examples) -> Numbers:
        outputs = np.full_like(rows.outputs, np.nan)
        due = rows.facts["predicted_at"]
        ends = [policy.since for policy in self.replay.always[1:]]
        for policy, end in zip_longest(self.replay.always, ends):
            mask = (due >= policy.since).to_numpy(dtype=bool)
            if end is not None:
                mask = mask & (due < end).to_numpy(dtype=bool)
            if mask.any():
                outputs[mask] = rescore(self._bundle(policy.version), rows.where(mask))
        return outputs

    def _bundle(self, version: int) -> Bundle:
        if version not in self._bundles:
            entries = self.loop.ledger.history()
            # A champion's bundle is in the release directory; a refused one only in the registry.
            digest = next((entry.digest for entry in entries if entry.version == version), None)
            self._bundles[version] = fetch(self.loop, version, digest)
        return self._bundles[version]
