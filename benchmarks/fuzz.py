"""Schemathesis against a real service, from its own OpenAPI document: what it answers must be declared."""

import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec

from benchmarks import handmade
from benchmarks.figures import Options, Table, cores
from benchmarks.service import Service, service
from benchmarks.verdict import Verdict
from keepfit.settings import ROOT, Settings, inherited_environment

_SECONDS, _QUICK_SECONDS = 600, 30
_OVER_S = 120
"""Schemathesis ends its last test and writes its report after its time is over."""
_COUNTED = re.compile(r'^keepfit_requests_total\{.*status="(\d+)".*\} (\d+)', re.MULTILINE)
_CONFIG = """
# 503 and 507 ask to come again, and are declared where they may be.
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 503, 507]
# More rows than one request may have are 413, whether or not they are as the schema says.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 404, 409, 413, 429, 503]
[checks.negative_data_rejection]
expected-statuses = [400, 404, 405, 408, 409, 413, 415, 422, 429, 431, 503]
# Whether a tensor has the data that its shape asks for, and a frame the cells of its columns, no schema says.
[[operations]]
include-path-regex = "(/infer|:predict|/invocations)$"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 404, 409, 413, 422, 429, 503]
"""


def measure(options: Options) -> Table:
    """Ask whatever the document allows and forbids; end with 1 at an answer that it does not declare."""
    seconds = _QUICK_SECONDS if options.quick else _SECONDS
    with TemporaryDirectory() as home:
        settings = replace(Settings(home=Path(home), workers=2), journal_bytes=8 * 1024 * 1024)
        handmade.release(settings, handmade.telling(1), 1, promotion=1)
        with service(settings, cores()) as served:
            workers = {status.pid for status in served.statuses()}
            runs = _runs(served, seconds)
            died = workers - {status.pid for status in served.statuses()}
            counts = _answers(served)
        log = (settings.home / "serving.log").read_text()
    return _verdict(seconds, runs, counts, (len(died), log.count("Traceback")))


@dataclass(frozen=True, slots=True)
class Run:
    """What schemathesis found in some of the routes, and what it said of it."""

    name: str
    report: dict[str, Any]
    said: str


def _runs(served: Service, seconds: int) -> list[Run]:
    """Give each route that takes a body the same time, and as much to all others."""
    document = httpx.get(f"{served.settings.serving_url}/openapi.json").json()
    posted = [path for path, methods in document["paths"].items() if "post" in methods]
    chosen = {f"POST {path}": ("--include-path", path) for path in posted} | {
        "the others": ("--include-method", "GET")
    }
    each = max(1, seconds // len(chosen))
    return [_run(served, name, each, which) for name, which in chosen.items()]


def _run(served: Service, name: str, seconds: int, which: tuple[str, str]) -> Run:
    home = served.settings.home
    config, report, log = (home / f"schemathesis.{kind}" for kind in ("toml", "json", "log"))
    config.write_text(_CONFIG)
    report.unlink(missing_ok=True)
    words: list[str | Path] = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", config),
        *("run", f"{served.settings.serving_url}/openapi.json", *which, "--max-time", str(seconds)),
        *("--continue-on-failure", "--request-timeout", "10", "--generation-database", "none"),
        *("--report", "json", "--report-json-path", report, "--no-color"),
    ]
    environment = inherited_environment() | {
        "SCHEMATHESIS_HOOKS": "benchmarks.hooks",
        "PYTHONPATH": str(ROOT),
    }
    over = seconds + _OVER_S
    with log.open("wb") as told:
        subprocess.run(words, cwd=home, env=environment, stdout=told, stderr=told, timeout=over, check=False)
    said = log.read_text()
    if not report.exists():
        sys.exit(f"schemathesis did not run:\n{said[-3000:]}")
    return Run(name, msgspec.json.decode(report.read_bytes()), said)


def _answers(served: Service) -> Counter[str]:
    counts: Counter[str] = Counter()
    text = httpx.get(f"{served.settings.serving_url}/metrics").text
    for status, count in _COUNTED.findall(text):
        counts[status] += int(count)
    return counts


def _verdict(seconds: int, runs: list[Run], counts: Counter[str], broken: tuple[int, int]) -> Table:
    verdict = Verdict(f"Schemathesis for {seconds} s against two workers, from their /openapi.json")
    for run in runs:
        verdict.tell(run.name, f"{run.report['test_cases']['generated']:,} requests")
    for status, count in sorted(counts.items()):
        verdict.tell(f"answered {status}", f"{count:,}")
    for failure in (failure for run in runs for failure in run.report["failures"]):
        verdict.none(failure["title"], failure["count"])
    untested = sum(run.report["operations"]["selected"] - run.report["operations"]["tested"] for run in runs)
    verdict.none("routes not tested", untested)
    verdict.none("answers of 500", counts["500"])
    verdict.none("findings", sum(run.report["test_cases"]["unique_failures"] for run in runs))
    verdict.none("errors of the runs", sum(len(run.report["errors"]) for run in runs))
    died, traces = broken
    verdict.none("workers that died", died)
    verdict.none("tracebacks in the log", traces)
    for run in runs:
        if run.report["failures"] or run.report["errors"]:
            print("\n".join(line[:300] for line in run.said.splitlines() if line.strip()), flush=True)
    verdict.note("checked: status, media type, headers and shape of each answer; what is valid is taken,")
    verdict.note("what is not is refused; methods that are not there are 405 with Allow")
    return verdict.table()
