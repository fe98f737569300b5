"""Why a model answered as it did, asked long after it did: the row is answered again, and explained."""

import math
import time
from pathlib import Path

from data.bundles import open_bundle
from data.reasons import Asked, Reasons
from data.signatures import Trust
from keepfit.errors import BundleError
from keepfit.settings import Settings
from keepfit.spec import Value
from serving.answer import told
from serving.bounds import Bounds
from serving.explaining.explanation import Background, explanation
from serving.explaining.shapley import OutOfTime
from serving.predictor import Predictor, load, named


def reasons(asked: Asked, settings: Settings) -> Reasons:
    """Explain an answer by the bundle that gave it: opened with the trusted keys, bounded as in a worker."""
    try:
        bundle = open_bundle(Path(asked.releases) / asked.digest, asked.digest, Trust.of(settings))
        bounds = Bounds.of(settings)
        with Bounds(settings.load_s + settings.explain_s, settings.load_bytes).held(named(bundle)):
            return _explained(load(bundle, bounds), asked.features, settings.explain_s)
    except BundleError as fault:
        return Reasons(unknown=str(fault))
    except MemoryError:
        most = settings.load_bytes
        return Reasons(
            unknown=f"the model needs more than {most} bytes; KEEPFIT_LOAD_BYTES lets it have more"
        )


def _explained(predictor: Predictor, features: dict[str, Value], explain_s: float) -> Reasons:
    until = time.monotonic() + explain_s
    try:
        output = tuple(float(each) for each in predictor.predict([features])[0])
    except (OverflowError, TypeError, ValueError) as fault:
        return Reasons(unknown=f"the row is none that the columns of {named(predictor.bundle)} take: {fault}")
    if not all(map(math.isfinite, output)):
        return Reasons(unknown=f"{named(predictor.bundle)} gives no finite number for this row")
    answer = told("", output, None, predictor.manifest.target)
    try:
        found = explanation(Background.of(predictor), features, answer, lambda: time.monotonic() > until)
    except OutOfTime:
        late = f"no time was left: explaining an answer may take {explain_s:g} s"
        return Reasons(output, unknown=f"{late} (KEEPFIT_EXPLAIN_S lets it take longer)")
    return Reasons(output, found.baseline, found.contributions, found.of, found.standard_errors)
