"""Rescore: let a bundle answer examples that another model, or none, has answered."""

import numpy as np

from data.bundles import Bundle
from data.examples import Examples, Numbers
from serving.predictor import Predictor


def rescore(bundle: Bundle, examples: Examples) -> Numbers:
    """Answer every example by a bundle, as [n, target.outputs].

    Rows may lack its columns: features leave a project, or change their kind; it sees them as missing.
    """
    columns = examples.columns()
    for name, column in bundle.manifest.columns.items():
        is_text = column.kind == "category"
        if name not in columns or (columns[name].dtype == object) != is_text:
            missing = "" if is_text else np.nan
            columns[name] = np.full(len(examples), missing, dtype=object)
    return Predictor(bundle).predict_columns(columns)
