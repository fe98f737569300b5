"""A draft -> the text of a project file, each guess with its comment."""

import textwrap
from itertools import chain

from control.drafting.draft import Draft
from control.drafting.guessing import Guess
from control.drafting.roles import Role
from keepfit.spec import Column

_HEAD = '''\
"""Predict {what}. Drafted by `bin/keepfit new`: read every "guessed", and correct it."""

{imports}from keepfit import Column, Gate, Project, {retraining}Target

# Drafted from {file}: {rows} rows, {since:%F} to {until:%F}.{thinned}{broken}
# A model may learn only from what is known at the time of a row: take out what is not.
FEATURES = {{
'''
_BUILD = '''\
}}


def build():
    """Return boosted trees on numbers, and on categories as numbers, which ONNX computes exactly."""
    # Only training needs scikit-learn, which takes seconds to import.
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import {learner}
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    categories = [name for name, column in FEATURES.items() if column.kind == "category"]
    # Never `categorical_features` of the trees: it converts without an error, and wrongly.
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(
        make_column_transformer(
            (encoder, categories), remainder="passthrough", verbose_feature_names_out=False
        ),
        # Early stopping would hold out rows at random, neighbours in time of those it learns from.
        {learner}(
            learning_rate=0.05,
            max_iter=200,
            max_leaf_nodes=8,
            min_samples_leaf={leaf},
            l2_regularization=10,
            early_stopping=False,
            random_state=0,
        ),
    )


project = Project(
'''
_WHAT = {"binary": "yes or no", "multiclass": "one of several classes", "regression": "a number"}
_KEY = "    "
_WIDTH = 110
_DEFAULT_WINDOW, _DEFAULT_ROWS = 14, 200


def written(draft: Draft) -> str:
    """Write the project file."""
    span, sight = draft.span, draft.sight
    head = _HEAD.format(
        what=_WHAT[draft.target.kind],
        imports="from datetime import timedelta\n\n" if span.window != _DEFAULT_WINDOW else "",
        retraining="Retraining, " if span.window != _DEFAULT_WINDOW else "",
        file=quoted(sight.path.name),
        rows=sight.rows,
        since=span.since,
        until=span.until,
        thinned=f" {sight.looked_at} of them were looked at." if sight.looked_at < sight.rows else "",
        broken=f" {sight.broken} lines are no rows." if sight.broken else "",
    )
    build = _BUILD.format(
        learner=f"HistGradientBoosting{'Regressor' if draft.target.kind == 'regression' else 'Classifier'}",
        leaf=max(5, min(100, sight.rows // 100)),
    )
    project = chain(
        [f"{_KEY}name={quoted(draft.name)},", f"{_KEY}features=FEATURES,"],
        _target(draft),
        [f"{_KEY}build=build,"],
        _promises(draft),
        _times(draft),
        _ids(draft),
        _windows(draft),
    )
    features = chain.from_iterable(_feature(guess) for guess in draft.guesses)
    return head + _text(features) + build + _text(project) + ")\n"


def quoted(text: str) -> str:
    """Write text as Python, in double quotes where that needs no escape."""
    plain = repr(text)
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in plain and "\\'" not in plain else plain


def column(of: Column) -> str:
    """Write a column as Python."""
    given: list[str] = []
    if of.between is not None:
        given.append(f"between=({_number(of.between[0])}, {_number(of.between[1])})")
    if of.among is not None:
        given.append(f"among=[{', '.join(map(quoted, of.among))}]")
    if of.optional:
        given.append("optional=True")
    return f"Column.{of.kind}({', '.join(given)})"


def _feature(guess: Guess) -> list[str]:
    name = quoted(guess.name)
    if guess.column is None:
        return _comment(f"{name} is left out: {guess.why}")
    return _said(f"{name}: {column(guess.column)},", f"guessed: {guess.why}")


def _target(draft: Draft) -> list[str]:
    target, role = draft.target, draft.roles.target
    facts = role.facts
    name = quoted(target.name)
    if target.kind == "regression":
        said = f"seen {min(facts.numbers):.6g} to {max(facts.numbers):.6g}"
        return _chosen(f"target=Target.regression({name}),", role, said)
    if target.kind == "binary":
        share = sum(facts.numbers) / facts.present
        return _chosen(f"target=Target.binary({name}),", role, f"{share:.1%} of the labels are yes")
    classes = ", ".join(quoted(c) if isinstance(c, str) else str(c) for c in target.classes)
    rarest, count = facts.counts.most_common()[-1]
    said = f"{_shown(rarest)} is the rarest class, seen {count} times"
    if len(target.classes) == 2:
        said += "; written as 0 and 1 in the file it could be Target.binary"
    return _chosen(f"target=Target.multiclass({name}, [{classes}]),", role, said)


def _promises(draft: Draft) -> list[str]:
    if draft.target.kind == "binary":
        metrics, floor, said = '"neg_log_loss", "roc_auc"', ("roc_auc", 0.55), "better than tossing a coin"
    elif draft.target.kind == "multiclass":
        facts = draft.roles.target.facts
        common, count = facts.counts.most_common(1)[0]
        share = int(100 * count / facts.present) / 100
        metrics, floor = '"neg_log_loss", "accuracy"', ("accuracy", share)
        said = f"as good as always answering {_shown(common)}"
    else:
        metrics, floor = '"neg_mean_absolute_error", "r2"', ("r2", 0.0)
        said = "better than always answering the mean"
    return [
        *_said(f"metrics=[{metrics}],", "guessed: a challenger must gain on the first"),
        *_said(
            f'gates=[Gate("{floor[0]}", at_least={floor[1]})],', f"guessed: {said}; promise what you need"
        ),
    ]


def _times(draft: Draft) -> list[str]:
    time, label_time = draft.roles.time, draft.roles.label_time
    lines = _chosen(f"time={quoted(time.name)},", time, "when the row was known")
    if label_time is not None:
        said = "when the outcome was known"
        lines += _chosen(f"label_time={quoted(label_time.name)},", label_time, said)
    else:
        lines += _comment(
            "guessed: no column says when the outcome was known. So it is taken as known at once, which "
            "flatters a model; add such a column, and name it here."
        )
        lines.append(f"{_KEY}label_time=None,")
    if not draft.zoned:
        why = "the times have no offset; say where they were written, such as Europe/Lisbon"
        lines += _said('timezone="UTC",', f"guessed: {why}")
    return lines


def _ids(draft: Draft) -> list[str]:
    lines: list[str] = []
    reference, subject = draft.roles.reference, draft.roles.subject
    if reference is None:
        why = "no column names a row; labels come by prediction id"
        lines += _said("reference=None,", f"guessed: {why}")
    elif reference.name != "reference_id":
        lines += _chosen(f"reference={quoted(reference.name)},", reference, "labels may come by it")
    if subject is not None:
        why = "who a row is about; only a keyed hash of it would be kept"
        lines += _said(f"# subject={quoted(subject.name)},", f"guessed: {why}")
    return lines


def _windows(draft: Draft) -> list[str]:
    span = draft.span
    lines: list[str] = []
    if span.window != _DEFAULT_WINDOW:
        days, twice = (f"timedelta(days={n})" for n in (span.window, 2 * span.window))
        lines += _said(f"holdout={days},", "guessed: the newest days, on which a challenger is judged")
        lines += _said(f"current={days},", "guessed: the days that `watch` judges")
        lines += _said(f"reference_span={twice},", "guessed: the days that it compares them with")
        age = "guessed: the age that is by itself a reason"
        lines += _said(f"retraining=Retraining(every={twice}),", age)
    if span.min_rows != _DEFAULT_ROWS:
        why = "the file is small; verdicts on more rows are surer"
        lines += _said(f"min_rows={span.min_rows},", f"guessed: {why}")
    return lines


def _chosen(code: str, role: Role, said: str) -> list[str]:
    return _said(code, f"guessed, {role.guess}: {said}" if role.guess else said)


def _said(code: str, comment: str) -> list[str]:
    """Write a comment behind its line, or above it where the line would be too long."""
    line = f"{_KEY}{code}  # {comment}"
    return [line] if len(line) <= _WIDTH else [*_comment(comment), f"{_KEY}{code}"]


def _comment(text: str) -> list[str]:
    # Names stand in it as Python writes them, so no character of theirs ends the line.
    lead = f"{_KEY}# "
    return textwrap.wrap(text, _WIDTH, initial_indent=lead, subsequent_indent=lead, break_on_hyphens=False)


def _text(lines: "chain[str]") -> str:
    return "".join(f"{line}\n" for line in lines)


def _number(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _shown(value: object) -> str:
    return str(int(value)) if isinstance(value, float) else repr(value)
