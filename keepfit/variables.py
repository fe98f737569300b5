"""What the text of an environment variable may be, and what it stands for."""

import math
from collections.abc import Callable
from pathlib import Path

from keepfit.errors import StackError


def parsed(variable: str, text: str, default: object) -> object:
    """Read a variable's text as its default's type; raise StackError with its name where it is none."""
    if variable in _CHECKS:
        return _CHECKS[variable](variable, text)
    try:
        if isinstance(default, bool):
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if isinstance(default, int | float):
            number = type(default)(text)
            if not 0 < number < math.inf:
                raise ValueError  # a deadline of NaN never passes, a limit of nothing lets nothing through
            if variable == "KEEPFIT_CAPTURE_SHARE" and number > 1:
                raise ValueError
            return number
    except (ValueError, KeyError):
        kind = "true or false" if isinstance(default, bool) else "a whole number above 0"
        kind = "a number above 0" if isinstance(default, float) else kind
        kind = "a share above 0 and up to 1" if variable == "KEEPFIT_CAPTURE_SHARE" else kind
        msg = f"{variable}={text!r}: expected {kind}; correct it or unset it"
        raise StackError(msg) from None
    return Path(text).resolve() if isinstance(default, Path) else text


def _one_of(*choices: str) -> Callable[[str, str], str]:
    def check(variable: str, text: str) -> str:
        if text not in choices:
            msg = f"{variable}={text!r}: expected one of {', '.join(choices)}; correct it or unset it"
            raise StackError(msg)
        return text

    return check


def _folder(variable: str, text: str) -> str:
    if "://" in text.removeprefix("file://"):
        cure = "copy it to a folder before the server starts, and name that in KEEPFIT_RELEASE_FOLDER"
        msg = f"{variable}={text!r}: {cure}"
        raise StackError(msg)
    return str(Path(text.removeprefix("file://")).resolve())


def _path(_: str, text: str) -> str:
    return str(Path(text).absolute())


def _file(variable: str, text: str) -> str:
    path = Path(text).absolute()
    if not path.is_file():
        msg = f"{variable}={text!r}: there is no such file; correct it or unset it"
        raise StackError(msg)
    return str(path)


def _route(variable: str, text: str) -> str:
    if not text.startswith("/") or set("{}?#") & set(text):
        msg = f"{variable}={text!r}: expected a path that begins with /; correct it or unset it"
        raise StackError(msg)
    return text


PLATFORMS = {
    "serving_port": ("AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT"),
    "health_route": ("AIP_HEALTH_ROUTE",),
    "predict_route": ("AIP_PREDICT_ROUTE",),
    "release_folder": ("AIP_STORAGE_URI",),
}
"""The platforms' variables that say what ours say."""
_CHECKS: dict[str, Callable[[str, str], str]] = {
    "KEEPFIT_ACCESS": _one_of("local", "keys", "anyone"),
    "KEEPFIT_ANSWER": _one_of("output", "probabilities", "full"),
    "KEEPFIT_CAPTURE": _one_of("optional", "required"),
    "KEEPFIT_DURABILITY": _one_of("process", "fsync"),
    "KEEPFIT_LOG": _one_of("text", "json"),
    **dict.fromkeys(("KEEPFIT_RELEASE_FOLDER", "AIP_STORAGE_URI"), _folder),
    **dict.fromkeys(("KEEPFIT_SIGNING_KEY", "KEEPFIT_TRUSTED_KEYS", "KEEPFIT_API_KEYS"), _path),
    **dict.fromkeys(("KEEPFIT_TLS_CERT", "KEEPFIT_TLS_KEY", "KEEPFIT_TLS_CA"), _file),
    **dict.fromkeys(("KEEPFIT_HEALTH_ROUTE", "AIP_HEALTH_ROUTE"), _route),
    **dict.fromkeys(("KEEPFIT_PREDICT_ROUTE", "AIP_PREDICT_ROUTE"), _route),
}
"""Text that may not be any."""


def told(value: object) -> str:
    """Write a value as the text that `parsed` reads."""
    return str(value).lower() if isinstance(value, bool) else str(value)
