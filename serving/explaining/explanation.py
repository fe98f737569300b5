"""What each feature adds to a row's answer, reckoned beside the predictions: see docs/explain.md."""

import asyncio
import hashlib
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs

import msgspec
import numpy as np
import numpy.typing as npt

from keepfit.errors import BundleUnusable
from keepfit.settings import Settings
from keepfit.spec import Column, Value
from serving.contract import Explanation, PredictAnswer, PredictedRow, Row
from serving.exchange import Request
from serving.explaining.shapley import Coalitions, Game, Numbers, OutOfTime, Places, shares
from serving.predictor import Predictor
from serving.refusal import Refused
from serving.slot import LiveModel

Cells = npt.NDArray[np.float32] | npt.NDArray[np.object_]
Over = Callable[[], bool]
"""Whether nobody waits for an explanation any longer."""

_SWITCH = {"true": True, "false": False}


def wants_explanation(request: Request) -> bool:
    """Read `?explain=` of a request; raise Refused when it is neither true nor false."""
    query: bytes = request.scope.get("query_string", b"")
    if not query:
        return False
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("explain", ["false"])
    if len(given) > 1:
        raise Refused(400, f"query parameter explain: expected it once, got it {len(given)} times")
    if given[0] not in _SWITCH:
        raise Refused(400, f"query parameter explain: expected true or false, got {given[0][:60]!r}")
    return _SWITCH[given[0]]


class Explainer:
    """Explains answers in a thread of its own, one request at a time; only an event loop touches it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explain")
        self._places = 0
        self._took_s = 0.0

    @contextmanager
    def place(self, rows: int) -> Generator[None]:
        """Keep a place for a request, to be taken before its rows are answered and captured.

        Raises Refused when the request has too many rows, or too many others wait.
        """
        most = self._settings.explain_rows
        if rows > most:
            reason = f"expected at most {most} rows in one request with explain=true, got {rows}"
            raise Refused(413, reason, "$.rows")
        if self._places > self._settings.explain_waiting:
            again = str(max(1, math.ceil(self._took_s * self._places)))
            reason = (
                f"{self._places} other requests wait for this worker's explanations; "
                f"ask again in {again} s, or without explain=true"
            )
            raise Refused(429, reason, headers=((b"retry-after", again.encode()),))
        self._places += 1
        try:
            yield
        finally:
            self._places -= 1

    async def explain(
        self, request: Request, live: LiveModel, rows: Sequence[Row], answer: PredictAnswer
    ) -> PredictAnswer:
        """Add to each answered row what explains it, or the reason why nothing does."""
        until = time.monotonic() + self._settings.explain_s
        asked = [(row.features, told) for row, told in zip(rows, answer.predictions, strict=True)]

        def over() -> bool:
            return request.gone or time.monotonic() > until

        def run() -> tuple[list[PredictedRow], float]:
            began = time.monotonic()
            background = Background.of(live.predictor)
            explained = [self._row(background, features, told, over) for features, told in asked]
            return explained, time.monotonic() - began

        explained, self._took_s = await asyncio.get_running_loop().run_in_executor(self._thread, run)
        return msgspec.structs.replace(answer, predictions=explained)

    def _row(
        self, background: "Background", features: Mapping[str, Value], told: PredictedRow, over: Over
    ) -> PredictedRow:
        # It is answered and captured: what stands in the way of an explanation is said beside the answer.
        try:
            return msgspec.structs.replace(told, explanation=explanation(background, features, told, over))
        except OutOfTime:
            reason = (
                f"no time was left: explaining a request may take {self._settings.explain_s:g} s, waiting "
                "included (KEEPFIT_EXPLAIN_S); send fewer rows, or ask when less is asked"
            )
        except BundleUnusable as fault:
            reason = f"the live model cannot answer a mixture of this row and a golden row: {fault}"
        return msgspec.structs.replace(told, unexplained=reason)


@dataclass(frozen=True, slots=True)
class Background:
    """What an answer is compared with: a model's golden rows by column, and its answers to them."""

    predictor: Predictor
    cells: Mapping[str, Cells]
    outputs: Numbers

    @classmethod
    def of(cls, predictor: Predictor) -> "Background":
        """Take the golden rows of a model: their columns were shuffled, so no real person is in them."""
        golden = predictor.manifest.golden_rows
        cells = {
            name: _cells(column, [row.get(name) for row in golden])
            for name, column in predictor.manifest.columns.items()
        }
        return cls(predictor, cells, predictor.predict_columns(cells))


def explanation(
    background: Background, features: Mapping[str, Value], told: PredictedRow, over: Over
) -> Explanation:
    """Explain the answer to one row that the columns took; the same row has the same explanation.

    Raises OutOfTime when it is over before enough is known, and BundleUnusable when the model cannot
    answer a mixture of the row and a golden row.
    """
    columns = background.predictor.manifest.columns
    of, place, full = _explained(background.predictor, told)
    row = {name: _cells(column, [features.get(name)]) for name, column in columns.items()}

    def worth(members: Coalitions, against: Places) -> Numbers:
        if over():
            raise OutOfTime
        mixed: dict[str, Cells] = {
            name: np.where(members[:, i], row[name], background.cells[name][against])
            for i, name in enumerate(columns)
        }
        found = background.predictor.predict_columns(mixed)[:, place]
        if not np.isfinite(found).all():
            msg = "it gives no finite number"
            raise BundleUnusable(msg)
        return found

    empty = background.outputs[:, place]
    found = shares(Game(worth, full, empty, len(columns)), np.random.default_rng(_seed(row)))
    errors = None if found.exact else dict(zip(columns, found.errors.tolist(), strict=True))
    return Explanation(
        float(empty.mean()), dict(zip(columns, found.values.tolist(), strict=True)), of, errors
    )


def _explained(predictor: Predictor, told: PredictedRow) -> tuple[int | str | None, int, float]:
    """Say what is explained: the class, its place in the model's outputs, and the number itself."""
    if told.probabilities is None:
        return None, 0, float(told.output)
    target = predictor.manifest.target
    if target.kind == "binary":
        return target.classes[1], 0, told.probabilities[1]
    place = target.classes.index(told.output)
    return target.classes[place], place, told.probabilities[place]


def _cells(column: Column, values: Sequence[Value]) -> Cells:
    """Write one column's values as the model sees them."""
    if column.kind == "category":
        return np.array([value or "" for value in values], dtype=object)
    return np.array(values, dtype=np.float32)  # None becomes NaN


def _seed(row: Mapping[str, Cells]) -> int:
    """Draw the same orders for the same row: 733 and 733.0 are one number."""
    content = msgspec.json.encode([str(cells[0]) for cells in row.values()])
    return int.from_bytes(hashlib.sha256(content).digest()[:16])
