"""What `python -m serving.explaining` is asked and tells: why one answer was given."""

from msgspec import Struct

from keepfit.spec import Value


class Asked(Struct, frozen=True):
    """One row that was answered, and the bundle that answered it, which lies in a folder of releases."""

    releases: str
    digest: str
    features: dict[str, Value]


class Reasons(Struct, frozen=True, omit_defaults=True):
    """What each feature added to the answer to a row; or, in a sentence, why nobody can say (`unknown`).

    `output` is what the bundle answers now, as `records.Prediction` has it. `baseline` and all
    `contributions` together are the number that is explained: the probability of the class `of`, or the
    value.
    """

    output: tuple[float, ...] = ()
    baseline: float = 0.0
    contributions: dict[str, float] = {}
    of: int | str | None = None
    standard_errors: dict[str, float] | None = None
    unknown: str | None = None
