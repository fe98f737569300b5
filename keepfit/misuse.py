"""A slip in a project file -> a sentence with the name that was meant."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from inspect import signature

import keepfit

_MEANT = {
    "Column": {
        **dict.fromkeys(("text", "string", "str", "categorical", "enum", "object"), "category"),
        **dict.fromkeys(("numeric", "float", "int", "integer", "double"), "number"),
        **dict.fromkeys(("bool", "boolean", "binary", "yesno"), "flag"),
    },
    "Target": {
        **dict.fromkeys(("bool", "boolean", "flag", "yesno"), "binary"),
        **dict.fromkeys(("classes", "classification", "category", "categorical"), "multiclass"),
        **dict.fromkeys(("number", "numeric", "float", "value"), "regression"),
    },
}
"""What other libraries call our kinds."""
_EXAMPLES = {
    "name": 'name="churn"',
    "features": 'features={"months": Column.number()}',
    "target": 'target=Target.binary("left")',
    "build": "build=make_model, a function that returns an estimator",
    "metrics": 'metrics=["neg_log_loss", "roc_auc"]',
    "gates": 'gates=[Gate("roc_auc", at_least=0.6)]',
    "metric": 'Gate("roc_auc", at_least=0.6)',
    "classes": 'Target.multiclass("size", ["small", "large"])',
}
_UNEXPECTED = re.compile(r"(\w+)\.(\w+)\(\) got an unexpected keyword argument '(\w+)'")
_MISSING = re.compile(r"(\w+)\.(\w+)\(\) missing \d+ required [\w-]+ arguments?: (.+)")
_POSITIONAL = re.compile(
    r"(\w+)\.(\w+)\(\) takes (?:from )?(\d+).* positional arguments? but \d+ (?:was|were)"
)
_NOT_OURS = re.compile(r"cannot import name '(\w+)' from 'keepfit'")


def explained(fault: Exception) -> str | None:
    """Say what was meant by a call of ours that Python refuses; None for any other fault."""
    if isinstance(fault, AttributeError):
        return _no_such_kind(fault)
    if isinstance(fault, ImportError) and (found := _NOT_OURS.match(str(fault))):
        return f"keepfit has no {found[1]!r}; {_nearest(found[1], keepfit.__all__)}"
    if not isinstance(fault, TypeError):
        return None
    if found := _UNEXPECTED.match(str(fault)):
        call = _call(found[1], found[2])
        return None if call is None else f"{call[0]} takes no {found[3]!r}; {_nearest(found[3], call[1])}"
    if found := _MISSING.match(str(fault)):
        call, names = _call(found[1], found[2]), re.findall(r"'(\w+)'", found[3])
        given = "; ".join(f"write {_EXAMPLES.get(name, f'{name}=')}" for name in names)
        return None if call is None else f"{call[0]} lacks {', '.join(names)}; {given}"
    if found := _POSITIONAL.match(str(fault)):
        call = _call(found[1], found[2])
        return None if call is None else f"{call[0]} takes its arguments by name: {', '.join(call[1])}"
    return None


def _no_such_kind(fault: AttributeError) -> str | None:
    ours = {name: getattr(keepfit, name) for name in keepfit.__all__}
    name = next((n for n, owner in ours.items() if fault.obj is owner), None)
    if name is None or fault.name is None:
        return None
    kinds = [kind for kind in vars(ours[name]) if isinstance(vars(ours[name])[kind], classmethod)]
    meant = _MEANT.get(name, {}).get(fault.name)
    hint = f"did you mean {meant!r}? " if meant else ""
    listed = f"there are {', '.join(f'{name}.{kind}' for kind in kinds)}" if kinds else "see keepfit/spec.py"
    return f"there is no {name}.{fault.name}; {hint}{listed}"


def _call(owner: str, method: str) -> tuple[str, list[str]] | None:
    """Name a call of ours and what it takes; None where it is not ours."""
    if owner not in keepfit.__all__:
        return None
    of = getattr(keepfit, owner)
    called = of if method == "__init__" else getattr(of, method)
    return (owner if method == "__init__" else f"{owner}.{method}"), list(signature(called).parameters)


def _nearest(name: str, names: Iterable[str]) -> str:
    known = list(names)
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
