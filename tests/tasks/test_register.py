import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from data.bundles import MODEL, SIGNATURE, Bundle
from data.releases import released
from data.statements import Judgement
from keepfit.errors import ServiceUnavailable, VersionNotFound
from keepfit.spec import Project
from serving.predictor import Predictor, check_golden
from tasks.check import made_examples
from tasks.convert import convert
from tasks.register import Candidate, fetch, recipe, register, release
from tasks.train import train
from tests.builders import manifest
from tests.making import LoopOnFakes, estimator, loop, project
from tests.tasks.champions import kept

LINEAGE = manifest(b"no model", version=1).lineage
JUDGED = Judgement(
    promote=True, asked_by="a test", reasons=("it is better",), challenger_scores={"roc_auc": math.nan}
)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[LoopOnFakes]:
    opened = loop(tmp_path)
    yield opened
    opened.store.close()


@pytest.fixture(scope="module")
def candidate() -> Candidate:
    examples = made_examples(project(), 200, seed=0)
    converted = convert(project(), train(project(), examples), examples.features)
    return Candidate(converted, examples.features, LINEAGE).scored({"neg_log_loss": -0.5})


def test_a_candidate_becomes_a_version_whose_bundle_the_registry_keeps(
    made: LoopOnFakes, candidate: Candidate
) -> None:
    bundle = register(made, candidate, "key", JUDGED)
    assert (bundle.manifest.version, bundle.manifest.project) == (1, "made")
    assert bundle.manifest.lineage.metrics == {"neg_log_loss": -0.5}
    assert fetch(made, 1) == bundle
    check_golden(Predictor(bundle))


def test_a_retrain_that_is_run_again_registers_the_same_version_with_the_same_bytes(
    made: LoopOnFakes, candidate: Candidate
) -> None:
    one, again = (register(made, candidate, "key", JUDGED) for _ in range(2))
    assert one.files() | {SIGNATURE: b""} == again.files() | {SIGNATURE: b""}
    assert one.digest == again.digest
    assert register(made, candidate, "another key", JUDGED).manifest.version == 2


def test_a_refused_challenger_whose_score_is_no_number_is_registered_too(
    made: LoopOnFakes, candidate: Candidate
) -> None:
    scored = candidate.scored({"neg_log_loss": -0.5, "roc_auc": math.nan})
    assert register(made, scored, "key", JUDGED).manifest.lineage.metrics == {"neg_log_loss": -0.5}


def test_what_was_released_is_found_while_the_registry_is_away(made: LoopOnFakes, tmp_path: Path) -> None:
    bundle = kept(made, tmp_path)
    made.fake.away = True
    assert fetch(made, 1, bundle.digest) == bundle
    with pytest.raises(ServiceUnavailable):
        fetch(made, 1)


def test_what_is_damaged_here_comes_from_the_registry_and_can_be_released_again(
    made: LoopOnFakes, tmp_path: Path
) -> None:
    bundle = kept(made, tmp_path)
    (made.releases / bundle.digest / MODEL).write_bytes(b"other")
    found = fetch(made, 1, bundle.digest)
    assert found == bundle
    release(made, found)
    assert released(made.releases, bundle.digest, made.trust) == bundle


def test_a_digest_that_the_registry_does_not_have_is_not_found(made: LoopOnFakes, tmp_path: Path) -> None:
    kept(made, tmp_path)
    with pytest.raises(VersionNotFound, match="made version 1: the registry's bundle does not verify"):
        fetch(made, 1, "0" * 64)


def test_releasing_keeps_every_byte(made: LoopOnFakes, tmp_path: Path) -> None:
    bundle: Bundle = kept(made, tmp_path)
    release(made, bundle)
    assert released(made.releases, bundle.digest, made.trust) == bundle


def build() -> Any:
    return estimator()


class Builder:
    def __call__(self) -> Any:
        return estimator()


BUILDS = [build, partial(estimator, "binary"), Builder(), lambda: estimator(), dict, partial(dict)]


@pytest.mark.parametrize(
    "how", BUILDS, ids=["function", "partial", "object", "lambda", "type", "partial of a type"]
)
def test_a_model_has_a_recipe_however_its_estimator_is_built(how: Any) -> None:
    mine: Project = project(build=how)
    assert recipe(mine, "snapshot") == recipe(mine, "snapshot")
    assert recipe(mine, "snapshot") != recipe(mine, "another")
