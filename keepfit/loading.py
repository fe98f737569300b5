"""Find a project by import path, file or folder."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from keepfit.errors import ProjectError, ProjectNotFound, ProjectRefused
from keepfit.misuse import explained
from keepfit.settings import ROOT
from keepfit.spec import Project

DEFAULT = "examples/flights"
_IN_FOLDER = "project.py"
_NOWHERE = "there is no such file, folder or module; -p takes a file, a folder or an import path"


def load_project(where: str = DEFAULT) -> Project:
    """Load the Project that `where` names.

    `where` is a file (`path/to/churn.py`), a folder that has a `project.py` (`examples/flights`),
    an import path (`churn`), any of them with `:attribute` behind it (default `:project`).
    Raises ProjectNotFound when nothing stands there, ProjectError when it does not import.
    """
    if not where.isprintable() or "{{" in where:
        # Prefect would fill in what stands in braces, and a line in a log would end where the path does not.
        msg = f"{where!r}: a project's path may hold no line break, nothing invisible and no {{{{; rename it"
        raise ProjectNotFound(msg)
    place, _, attribute = where.partition(":")
    module = _module(place, where)
    found = getattr(module, attribute or "project", None)
    if not isinstance(found, Project):
        msg = (
            f"{where}: no Project is called {attribute or 'project'!r} in {module.__file__}; "
            f"write `project = Project(...)` there, or name yours as {place}:NAME"
        )
        raise ProjectNotFound(msg)
    return found


def absolute(where: str) -> str:
    """Name the same project so that it is found from any working folder; ours are found from any as well."""
    place, colon, attribute = where.partition(":")
    for path in (Path(place), ROOT / place):
        if path.exists():
            return f"{path.resolve()}{colon}{attribute}"
    return where


def _module(place: str, where: str) -> ModuleType:
    path = Path(place)
    if path.is_dir():
        path = path / _IN_FOLDER
        if not path.is_file():
            msg = f"{where}: the folder has no {_IN_FOLDER}; put the project there, or name its file"
            raise ProjectNotFound(msg)
    try:
        if path.is_file():
            return _from_file(path.resolve())
        if path.suffix == ".py" or "/" in place:
            raise ProjectNotFound(f"{where}: {_NOWHERE}")
        if str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(place)
    except ProjectError:
        raise
    except (Exception, SystemExit) as fault:  # the project file is the user's: so is whatever it raises
        raise _refusal(fault, place, where, path) from fault


def _refusal(fault: Exception | SystemExit, place: str, where: str, path: Path) -> ProjectError:
    """Say what went wrong while a project was imported, and in which line of its file."""
    line = _line_of(fault, path)
    if isinstance(fault, SystemExit):
        return ProjectRefused(
            f"{where}: it ends the program{line} (sys.exit) when it is imported; take that out, "
            "or put it under `if __name__ == '__main__':`"
        )
    if isinstance(fault, ModuleNotFoundError):
        if fault.name is not None and f"{place}.".startswith(f"{fault.name}."):
            return ProjectNotFound(f"{where}: {_NOWHERE}")
        return ProjectError(
            f"{where}: it imports {fault.name!r}, which is not installed; `uv add` what provides it"
        )
    if meant := explained(fault):
        return ProjectRefused(f"{where}:{line}: {meant}")
    return ProjectError(f"{where}: importing it failed{line}: {type(fault).__name__}: {fault}")


def _from_file(path: Path) -> ModuleType:
    # One name per file: two projects may both be called project.py.
    name = "keepfit_project_" + "".join(c if c.isalnum() else "_" for c in str(path.with_suffix("")))
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        msg = f"{path}: not a Python file; a project is written in a .py file"
        raise ProjectNotFound(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # The file's neighbours import as they would if it were run as a script.
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _line_of(fault: BaseException, path: Path) -> str:
    line = getattr(fault, "lineno", None)
    trace = fault.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path.resolve()):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" at line {line}" if line else ""
