"""`python -m serving`: serve a project's champion over HTTP."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from keepfit.errors import KeepfitError
from keepfit.settings import HOSTED, Settings
from serving.supervision import serve


def main() -> None:
    """Serve until SIGTERM or SIGINT; exit with a sentence where that is not possible."""
    try:
        serve(settings_of(sys.argv[1:]))
    except KeepfitError as fault:
        sys.exit(f"keepfit: {fault}")


def settings_of(arguments: Sequence[str]) -> Settings:
    """Read the environment and the command line, which stands before it."""
    # As SageMaker starts a container: on its port, with the model where it has unpacked it.
    hosted = {**HOSTED, "serving_port": 8080, "release_folder": "/opt/ml/model"}
    settings = Settings.from_env(**(hosted if arguments[:1] == ["serve"] else {}))
    parser = argparse.ArgumentParser(
        prog="python -m serving", description="Serve a project's champion over HTTP."
    )
    parser.add_argument(
        "serve", nargs="?", choices=["serve"], help="on 0.0.0.0:8080 with the release folder /opt/ml/model"
    )
    parser.add_argument("--project", default=settings.project_name, help="its name (%(default)s)")
    parser.add_argument("--host", default=settings.host, help="where to listen (%(default)s)")
    parser.add_argument("--port", type=int, default=settings.serving_port, help="(%(default)s)")
    parser.add_argument("--workers", type=int, default=settings.workers, help="processes (%(default)s)")
    given = parser.parse_args(arguments)
    if given.serve and arguments[0] != "serve":
        parser.error("serve: it comes first, before any option")
    if given.workers < 1:
        parser.error("--workers: at least 1")
    return replace(
        settings, project_name=given.project, host=given.host, serving_port=given.port, workers=given.workers
    )


if __name__ == "__main__":
    main()
