"""Explanations beside those of `shap`, and as a worker gives them."""

import asyncio
import json
import threading
import warnings
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numba
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from data.bundles import Bundle
from examples.flights import history
from examples.flights.project import project as flights_project
from keepfit.errors import BundleUnusable, RequestRefused
from keepfit.settings import Settings
from serving.answer import told
from serving.contract import Explanation, PredictAnswer, PredictedRow, Row
from serving.desk import Desk
from serving.exchange import Request
from serving.explaining.explanation import Background, explanation
from serving.predictor import Numbers, Predictor
from serving.protocols import own
from serving.refusal import Refused
from serving.worker import Worker
from tasks.check import made_examples
from tasks.convert import convert, make_manifest
from tasks.train import train
from tests.builders import ROW, TARGETS, opened
from tests.builders import manifest as some_manifest
from tests.making import project
from tests.serving.running import Serve, Server

GOLDEN_DISTANCE = (733 + 5000) / 2
"""The mean distance of the golden rows of `tests.builders`."""


def in_time() -> bool:
    return False


def explained(predictor: Predictor, row: Mapping[str, Any]) -> tuple[Explanation, Numbers]:
    """Explain one row in this process; give the model's outputs too."""
    output = predictor.predict([row])[0]
    answered = told("an id", output.tolist(), None, predictor.manifest.target)
    return explanation(Background.of(predictor), row, answered, in_time), output


def bundled(of: Any, estimator: Any, sample: pd.DataFrame) -> Bundle:
    converted = convert(of, estimator, sample)
    lineage = some_manifest(b"no model", version=1).lineage
    return Bundle("", make_manifest(of, converted, sample, lineage, version=1), converted.model)


# The flights model, beside shap


class LogOdds(Predictor):
    """Answers with log-odds: shap's TreeExplainer is exact for those of boosted trees."""

    def predict_columns(self, columns: Mapping[str, npt.NDArray[np.generic]]) -> Numbers:
        answers = super().predict_columns(columns)
        return np.log(answers / (1 - answers))


class Flights:
    """The flights pipeline, trained on some days of January, as scikit-learn and as a bundle."""

    def __init__(self) -> None:
        days = history.read_history(date(2013, 1, 1), date(2013, 1, 8)).to_pandas()
        days = days[days["late"].notna()]
        self.rows = pd.DataFrame(
            {
                name: days[name].fillna("") if column.kind == "category" else days[name].astype(np.float32)
                for name, column in flights_project.features.items()
            }
        )
        estimator: Any = flights_project.build()
        estimator.set_params(histgradientboostingclassifier__max_iter=60)
        estimator.fit(self.rows, days["late"].astype(int))
        self.encoder, self.trees = estimator[0], estimator[1]
        self.bundle = bundled(flights_project, estimator, self.rows)
        self.background = self.encoded(self.bundle.manifest.golden_rows)
        order = list(self.encoder.get_feature_names_out())
        self.place = {name: order.index(name) for name in self.rows.columns}

    def encoded(self, rows: Any) -> np.ndarray:
        """Rows as the trees see them."""
        frame = pd.DataFrame(rows, columns=self.rows.columns)
        for name, column in flights_project.features.items():
            if column.kind != "category":
                frame[name] = frame[name].astype(np.float32)
        return self.encoder.transform(frame).astype(np.float64)

    def some(self, count: int) -> list[dict[str, Any]]:
        return self.rows.sample(count, random_state=7).to_dict("records")


@pytest.fixture(scope="module")
def shap() -> Any:
    numba.config.DISABLE_JIT = 1  # what shap would compile takes half a minute, and runs for a second
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # matplotlib's, about shap's own habits
        import shap
    return shap


@pytest.fixture(scope="module")
def flights() -> Flights:
    return Flights()


def errors_of(found: Explanation, expected: Mapping[str, float]) -> np.ndarray:
    assert found.standard_errors is not None
    off = [
        (found.contributions[name] - expected[name]) / max(error, 1e-6)
        for name, error in found.standard_errors.items()
    ]
    return np.array(off)


def test_contributions_to_the_log_odds_are_those_of_shaps_tree_explainer(flights: Flights, shap: Any) -> None:
    trees = shap.TreeExplainer(flights.trees, flights.background, feature_perturbation="interventional")
    log_odds = LogOdds(flights.bundle)
    off: list[np.ndarray] = []
    for row in flights.some(10):
        expected = trees(flights.encoded([row]), check_additivity=False).values[0]
        value = float(
            log_odds.predict_columns({n: np.array([v], dtype=object) for n, v in row.items()})[0, 0]
        )
        found = explanation(Background.of(log_odds), row, PredictedRow("an id", value), in_time)
        by_name = {name: float(expected[place]) for name, place in flights.place.items()}
        off.append(errors_of(found, by_name))
        moved = np.abs(expected).sum()
        assert max(abs(found.contributions[name] - by_name[name]) for name in by_name) < 0.02 * moved
    # As far apart as the standard errors say, which are 1 % of all that moves at most: no bias beside them.
    assert np.sqrt((np.array(off) ** 2).mean()) < 1.5
    assert np.abs(off).max() < 5


def test_contributions_to_the_probability_are_those_of_shaps_exact_explainer(
    flights: Flights, shap: Any
) -> None:
    (row,) = flights.some(1)
    # shap's takes a minute for 14 features that differ, and seconds for 10.
    alike = {name: row[name] for name in ("visib", "precip", "origin", "temp")}
    golden = [{**one, **alike} for one in flights.bundle.manifest.golden_rows]
    manifest = msgspec.structs.replace(flights.bundle.manifest, golden_rows=golden)
    background = flights.encoded(golden)

    def probability(rows: np.ndarray) -> np.ndarray:
        return flights.trees.predict_proba(rows)[:, 1]

    exact = shap.explainers.Exact(probability, shap.maskers.Independent(background))
    expected = exact(flights.encoded([row]), batch_size=1024).values[0]
    found, _ = explained(Predictor(msgspec.structs.replace(flights.bundle, manifest=manifest)), row)
    by_name = {name: float(expected[place]) for name, place in flights.place.items()}
    assert np.abs(errors_of(found, by_name)).max() < 5
    assert max(abs(found.contributions[name] - by_name[name]) for name in by_name) < 0.01
    assert [found.contributions[name] for name in alike] == pytest.approx([0, 0, 0, 0], abs=1e-9)
    assert found.baseline == pytest.approx(probability(background).mean(), abs=1e-6)


@pytest.mark.parametrize("kind", TARGETS)
def test_contributions_of_few_features_are_those_of_shaps_exact_explainer(kind: str, shap: Any) -> None:
    mine = project(kind)
    examples = made_examples(mine, 400, seed=0)
    predictor = Predictor(bundled(mine, train(mine, examples), examples.features))
    row = examples.features.to_dict("records")[0]
    found, output = explained(predictor, row)
    place = int(output.argmax())

    carriers = sorted({str(r["carrier"]) for r in [row, *predictor.manifest.golden_rows]})

    def coded(rows: list[Any]) -> np.ndarray:
        return np.array(
            [list({**r, "carrier": carriers.index(r["carrier"])}.values()) for r in rows], dtype=np.float64
        )

    def number(rows: np.ndarray) -> np.ndarray:
        columns = dict(zip(mine.features, rows.T, strict=True))
        columns["carrier"] = np.array([carriers[int(code)] for code in columns["carrier"]], dtype=object)
        return predictor.predict_columns(columns)[:, place]

    masker = shap.maskers.Independent(coded(predictor.manifest.golden_rows))
    expected = shap.explainers.Exact(number, masker)(coded([row]))
    assert list(found.contributions.values()) == pytest.approx(expected.values[0].tolist(), abs=1e-9)
    assert found.baseline == pytest.approx(float(expected.base_values[0]))
    assert (
        found.of == {"binary": 1, "regression": None, "multiclass": (*mine.target.classes, None)[place]}[kind]
    )
    assert found.standard_errors is None


# What an explanation is


@pytest.mark.parametrize("kind", TARGETS)
def test_the_baseline_and_all_contributions_are_the_answer(kind: str, flights: Flights) -> None:
    mine = project(kind)
    examples = made_examples(mine, 400, seed=0)
    few = Predictor(bundled(mine, train(mine, examples), examples.features))
    many = Predictor(flights.bundle)
    for predictor, row in [(few, examples.features.to_dict("records")[0]), (many, flights.some(1)[0])]:
        found, output = explained(predictor, row)
        assert found.baseline + sum(found.contributions.values()) == pytest.approx(output.max(), abs=1e-12)


def test_the_same_row_has_the_same_explanation(flights: Flights) -> None:
    predictor = Predictor(flights.bundle)
    first, second = flights.some(2)
    assert explained(predictor, first) == explained(Predictor(flights.bundle), dict(reversed(first.items())))
    as_whole_numbers = {n: int(v) if isinstance(v, float) and v == v else v for n, v in first.items()}
    assert explained(predictor, as_whole_numbers) == explained(predictor, first)
    assert explained(predictor, second) != explained(predictor, first)


def test_a_feature_that_the_model_does_not_use_adds_nothing(tmp_path: Path) -> None:
    found, _ = explained(Predictor(opened(tmp_path, version=7, kind="regression")), ROW)
    assert found == Explanation(
        baseline=pytest.approx(70_000 + GOLDEN_DISTANCE),
        contributions={
            "distance": pytest.approx(733 - GOLDEN_DISTANCE),
            **dict.fromkeys(["carrier", "season", "wind", "holiday"], pytest.approx(0, abs=1e-6)),
        },
    )


# As a worker gives them


@pytest.mark.e2e
def test_an_explained_answer_is_the_answer_and_is_captured_once(serve: Serve) -> None:
    server = serve(workers=1)
    server.promote_and_confirm(3)
    row = Row({**ROW, "wind": None}, "trip 9")
    plain = server.client.predict([row])
    told = server.client.predict([row, Row(ROW)], explain=True)
    one, other = told.predictions
    assert (one.output, one.reference_id, told.version) == (plain.predictions[0].output, "trip 9", 3)
    assert one.explanation is not None
    assert one.explanation.contributions["distance"] == pytest.approx(733 - GOLDEN_DISTANCE)
    assert plain.predictions[0].explanation is None
    kept = [p.prediction_id for p in server.predictions()]
    assert kept == [plain.predictions[0].prediction_id, one.prediction_id, other.prediction_id]


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("explain=yes", 400, "query parameter explain: expected true or false, got 'yes'"),
        ("explain=", 400, "query parameter explain: expected true or false, got ''"),
        ("explain=true&explain=true", 400, "query parameter explain: expected it once, got it 2 times"),
        ("explain=true", 413, "expected at most 2 rows in one request with explain=true, got 3"),
        ("explain=false", 200, None),
        ("", 200, None),
    ],
)
def test_what_cannot_be_explained_is_refused_before_it_is_captured(
    few_rows: Server, query: str, status: int, reason: str | None
) -> None:
    before = len(few_rows.predictions())
    body = json.dumps({"rows": [{"features": ROW}] * 3})
    answer = few_rows.post(f"/v1/predict?{query}", body)
    assert answer.status == status
    assert (answer.error[1] if reason else None) == reason
    assert len(few_rows.predictions()) - before == (0 if reason else 3)


@pytest.mark.e2e
def test_the_client_says_why_too_many_rows_are_not_explained(few_rows: Server) -> None:
    with pytest.raises(RequestRefused, match="at most 2 rows in one request with explain=true, got 3"):
        few_rows.client.predict([Row(ROW)] * 3, explain=True)


@pytest.fixture(scope="module")
def few_rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("home"), workers=1, explain_rows=2)
    made.promote(1)
    yield made.start()
    assert made.stop() == 0


class Held(Predictor):
    """Answers rows at once, and columns, of which only explanations are made, when it is let go."""

    def __init__(self, of: Bundle) -> None:
        super().__init__(of)
        self.asked, self.go_on = threading.Event(), threading.Event()

    def predict_columns(self, columns: Mapping[str, npt.NDArray[np.generic]]) -> Numbers:
        self.asked.set()
        assert self.go_on.wait(30)
        return super().predict_columns(columns)


class Unmixed(Predictor):
    """Fails where a mixture of rows is asked of it."""

    def predict_columns(self, columns: Mapping[str, npt.NDArray[np.generic]]) -> Numbers:
        if len(next(iter(columns.values()))) > len(self.manifest.golden_rows):
            raise BundleUnusable("no such carrier flies that far")
        return super().predict_columns(columns)


class Asker:
    """One worker's desk in this process, asked without a socket."""

    def __init__(self, tmp_path: Path, predictor: Predictor, **changed: Any) -> None:
        settings = Settings(home=tmp_path, project_name="flights", **changed)
        self.worker = Worker(settings)
        self.worker.slot.swap(predictor)
        self.desk = Desk(settings, self.worker)

    async def ask(self, query: bytes = b"explain=true") -> PredictAnswer:
        body = json.dumps({"rows": [{"features": ROW}]}).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        scope = {"type": "http", "headers": [], "query_string": query}
        response = await own.predict(self.desk, Request(scope, receive))
        return msgspec.json.decode(response.body, type=PredictAnswer)


def held(tmp_path: Path) -> Held:
    return Held(opened(tmp_path, version=7, kind="regression"))


def test_predictions_are_answered_while_an_answer_is_explained(tmp_path: Path) -> None:
    async def check() -> None:
        model = held(tmp_path)
        asker = Asker(tmp_path, model)
        explaining = asyncio.create_task(asker.ask())
        assert await asyncio.to_thread(model.asked.wait, 30)
        for _ in range(3):
            assert (await asker.ask(b"")).predictions[0].output == 70_733
        assert not explaining.done()
        model.go_on.set()
        assert (await explaining).predictions[0].explanation is not None

    asyncio.run(check())


def test_whoever_comes_when_too_many_wait_is_refused_and_not_answered(tmp_path: Path) -> None:
    async def check() -> None:
        model = held(tmp_path)
        asker = Asker(tmp_path, model, explain_waiting=1)
        waiting = [asyncio.create_task(asker.ask()) for _ in range(2)]
        assert await asyncio.to_thread(model.asked.wait, 30)
        with pytest.raises(Refused, match="2 other requests wait for this worker's explanations") as refusal:
            await asker.ask()
        assert (refusal.value.status, refusal.value.headers) == (429, ((b"retry-after", b"1"),))
        model.go_on.set()
        assert all(answer.predictions[0].explanation for answer in await asyncio.gather(*waiting))
        assert (await asker.ask()).predictions[0].explanation is not None  # the places are free again

    asyncio.run(check())


def test_an_answer_for_whose_explanation_no_time_is_left_says_so(tmp_path: Path) -> None:
    model = Predictor(opened(tmp_path, version=7, kind="regression"))
    (row,) = asyncio.run(Asker(tmp_path, model, explain_s=-1.0).ask()).predictions
    assert (row.output, row.explanation) == (70_733, None)
    assert row.unexplained is not None
    assert row.unexplained.startswith("no time was left: explaining a request may take")


def test_an_answer_whose_mixtures_the_model_refuses_says_so(tmp_path: Path) -> None:
    model = Unmixed(opened(tmp_path, version=7, kind="regression"))
    (row,) = asyncio.run(Asker(tmp_path, model).ask()).predictions
    assert (row.output, row.explanation) == (70_733, None)
    assert row.unexplained == (
        "the live model cannot answer a mixture of this row and a golden row: no such carrier flies that far"
    )
