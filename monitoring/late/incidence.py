"""P(a label of some kind has come by an age), from what has come and from what still waits.

The cumulative incidence of competing risks (Aalen and Johansen, Scandinavian Journal of Statistics 5,
1978) in life tables: what is still out is censored at its age (Kaplan and Meier, JASA 53, 1958).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Codes = NDArray[np.intp]

_PRIOR = 200.0  # rows of the pooled curve that a stratum of waits is shrunk to: a stratum has hundreds


@dataclass(frozen=True)
class Waits:
    """How long each prediction waited, as a share of its due time; kind -1 is still out; its weight."""

    relative: Numbers
    kind: Codes
    weight: Numbers

    def where(self, mask: NDArray[np.bool_]) -> "Waits":
        """Keep the rows for which the mask is true."""
        return Waits(self.relative[mask], self.kind[mask], self.weight[mask])


def incidences(
    waits: Waits, stratum: Codes, edges: Numbers, shape: tuple[int, int]
) -> tuple[NDArray[np.float64], float]:
    """Estimate P(arrived by each edge | kind) per stratum, each stratum's hazards shrunk to all rows'."""
    strata, causes = shape
    risk, events = at_risk(waits, edges, causes)
    pooled = events / np.maximum(risk, 1.0)[:, None]
    found = np.zeros((strata, causes, len(edges) + 1))
    for s in range(strata):
        risk, events = at_risk(waits.where(stratum == s), edges, causes)
        hazard = (events + _PRIOR * pooled) / (risk + _PRIOR)[:, None]
        found[s, :, 1:] = _aalen_johansen(hazard).T
    overall = _aalen_johansen(pooled)[-1].sum()
    last = found[:, :, -1:]
    return np.divide(found, last, out=np.zeros_like(found), where=last > 0), float(max(0.0, 1 - overall))


def _aalen_johansen(hazard: Numbers) -> Numbers:
    """Turn hazards [m, kinds] into cumulative incidences [m, kinds]."""
    survival = np.cumprod(1 - np.minimum(hazard.sum(axis=1), 1.0))
    before = np.concatenate([[1.0], survival[:-1]])
    return np.cumsum(before[:, None] * hazard, axis=0)


def at_risk(waits: Waits, edges: Numbers, causes: int) -> tuple[Numbers, Numbers]:
    """Count who still waits in each bin [m] and whose label comes in it [m, kinds], as life tables do.

    Who leaves a bin unlabelled counts as half in it (the actuarial estimate: Cutler and Ederer, Journal
    of Chronic Diseases 8, 1958).
    """
    m = len(edges)
    kind, weight = waits.kind, waits.weight
    bin_ = np.searchsorted(edges, waits.relative)  # the bin that ends at an edge holds the edge
    leaves = np.bincount(np.minimum(bin_, m), weight, minlength=m + 1)
    # From the last bin back, the sum of those who leave; what has passed the last edge waits in all.
    waiting = leaves[::-1].cumsum()[::-1][:m]
    out = (kind < 0) & (bin_ < m)
    censored = np.bincount(bin_[out], weight[out], minlength=m)
    came = (kind >= 0) & (bin_ < m)
    events = np.bincount(bin_[came] * causes + kind[came], weight[came], minlength=m * causes)
    return waiting - censored / 2, events.reshape(m, causes).astype(np.float64)
