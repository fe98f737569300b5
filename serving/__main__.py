"""`python -m serving`: serve a project's champion over HTTP."""

import argparse
import sys
from dataclasses import replace

from keepfit.errors import KeepfitError
from keepfit.settings import Settings
from serving.supervision import serve


def main() -> None:
    """Serve until SIGTERM or SIGINT; exit with a sentence where that is not possible."""
    try:
        serve(_settings())
    except KeepfitError as fault:
        sys.exit(f"keepfit: {fault}")


def _settings() -> Settings:
    settings = Settings.from_env()
    parser = argparse.ArgumentParser(
        prog="python -m serving", description="Serve a project's champion over HTTP."
    )
    parser.add_argument("--project", default=settings.project_name, help="its name (%(default)s)")
    parser.add_argument("--host", default=settings.host, help="where to listen (%(default)s)")
    parser.add_argument("--port", type=int, default=settings.serving_port, help="(%(default)s)")
    parser.add_argument("--workers", type=int, default=settings.workers, help="processes (%(default)s)")
    given = parser.parse_args()
    if given.workers < 1:
        parser.error("--workers: at least 1")
    return replace(
        settings, project_name=given.project, host=given.host, serving_port=given.port, workers=given.workers
    )


if __name__ == "__main__":
    main()
