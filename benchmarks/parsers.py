"""Atheris on everything that reads bytes from outside: what it finds breaks a law of `benchmarks.targets`."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import Options, Table
from benchmarks.verdict import Verdict
from keepfit.settings import ROOT, inherited_environment

_SECONDS, _QUICK_SECONDS = 600, 65
_OVER_S = 300
"""To import, to read the first examples, and to end."""
_NAMES = (
    *("own rows", "labels", "instances", "invocations", "tensors", "CSV", "headers", "origins"),
    *("journal", "notes", "signature", "manifest", "API keys"),
)
_WORDS = (
    *(
        "NaN",
        "Infinity",
        "1e999",
        "-0",
        "1E400",
        "null",
        "true",
        "[[",
        "]]",
        "{}",
        "[]",
        r"\ud800",
        r"\u0000",
    ),
    *("rows", "features", "labels", "label", "prediction_id", "reference_id", "observed_at", "predicted_at"),
    *("distance", "carrier", "season", "wind", "holiday", "winter", "instances", "inputs", "columns", "data"),
    *("parameters", "binary_data_size", "shape", "datatype", "BYTES", "FP16", "INT64", "outputs", "index"),
    *(
        "dataframe_split",
        "dataframe_records",
        "params",
        "answer",
        "counters",
        "digest",
        "9999-12-31T23:59:60Z",
    ),
    *(
        "99999999999999999999999999",
        "http://[",
        "text/csv",
        "header=present",
        "charset=utf-8",
        "\\xff",
        "\\x00",
    ),
)
"""What chance alone would take long to write."""
_LAST = re.compile(r"cov: (\d+) ft: \d+ corp: (\d+)/")
_RUNS = re.compile(r"^stat::number_of_executed_units: (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Look:
    """How often one target was called, what its calls reached, and how it ended."""

    runs: int
    edges: int
    kept: int
    found: str


def measure(options: Options) -> Table:
    """Give each target the same time; end with 1 at a law that is broken."""
    seconds = (_QUICK_SECONDS if options.quick else _SECONDS) // len(_NAMES)
    verdict = Verdict(f"Atheris for {seconds} s on each of {len(_NAMES)} readers of bytes")
    looks = {name: look(name, seconds) for name in _NAMES}
    for name, one in looks.items():
        verdict.tell(name, f"{one.runs:,} inputs, {one.edges:,} edges reached, {one.kept} inputs kept")
    verdict.tell("all", f"{sum(one.runs for one in looks.values()):,} inputs")
    for name, one in looks.items():
        if one.found:
            print(f"\n{name}:\n{one.found}", flush=True)
    verdict.none("findings", sum(bool(one.found) for one in looks.values()))
    verdict.note("each input is read twice: the same comes out, and nothing is raised but what is declared;")
    verdict.note(
        "rows that are taken are finite, fit the schema and read the same when they are written again"
    )
    return verdict.table()


def look(name: str, seconds: int) -> Look:
    """Look for bytes that break the law of one target."""
    with TemporaryDirectory(dir="/dev/shm") as home:  # files are written for each input
        corpus, words = Path(home) / "corpus", Path(home) / "words"
        corpus.mkdir()
        words.write_text("".join(f'"{_quoted(word)}"\n' for word in _WORDS))
        ended = subprocess.run(
            [sys.executable, "-m", "benchmarks.targets", name, corpus, words, str(seconds)],
            cwd=ROOT,
            env=inherited_environment() | {"TMPDIR": home},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds + _OVER_S,
            check=False,
        )
    said = ended.stdout.decode(errors="replace")
    runs, reached = _RUNS.search(said), _LAST.findall(said)
    edges, kept = reached[-1] if reached else (0, 0)
    found = "" if ended.returncode == 0 and runs else said[-4000:]
    return Look(int(runs[1]) if runs else 0, int(edges), int(kept), found)


def _quoted(word: str) -> str:
    return word if word.startswith("\\x") else word.replace("\\", r"\\")
