"""Turn the loop by hand: each flow run now, in this process, against the Prefect server that is up."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from control.answers import Answer
from control.orchestrator import answering, require_prefect, use_stack
from control.progress import stepping
from control.running import as_up, running
from keepfit.errors import StackError
from keepfit.loading import absolute, load_project
from keepfit.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """A project on the stack that is up."""

    where: str
    name: str
    settings: Settings

    def run(self, doing: str, flow: Callable[..., Any], *arguments: object) -> tuple[Any, str]:
        """Run a flow; return what it returns, and where its run is seen. What it raises is raised."""
        gone = answering("run it again when bin/keepfit up has it back: what was done stays done")
        with gone, stepping(doing, "flows.steps"):
            state = flow(self.where, *arguments, return_state=True)
            found = state.result()
        run = state.state_details.flow_run_id
        return found, f"{self.settings.prefect_url}/runs/flow-run/{run}"


def retrain(where: str, reason: str, as_of: datetime | None) -> Answer:
    """Train a challenger and judge it."""
    place = on_stack(where)
    from flows.retrain import retrain as flow

    decision, run = place.run("retraining", flow, reason, as_of)
    lines = [decision.sentence]
    beside = decision.champion_scores or {}
    lines += [
        f"  {name}: {score:.4f}" + (f" (champion {beside[name]:.4f})" if name in beside else "")
        for name, score in decision.challenger_scores.items()
    ]
    lines.append(f"  the run: {run}")
    if decision.version is not None:
        lines.append(f"  the version: {_version_page(place, decision.version)}")
    return Answer(lines, {**dataclasses.asdict(decision), "run": run})


def rollback(where: str, to: int | None, reason: str) -> Answer:
    """Make an earlier version champion again."""
    place = on_stack(where)
    from flows.rollback import rollback as flow

    done, run = place.run("rolling back", flow, to, reason)
    said = done.objection or f"{done.workers} workers serve it"
    lines = [f"version {done.replaced} -> {done.version}: {said}", f"  the run: {run}"]
    lines.append(f"  the version: {_version_page(place, done.version)}")
    return Answer(lines, {**dataclasses.asdict(done), "run": run}, done.objection is None)


def feedback(where: str, as_of: datetime | None) -> Answer:
    """Take in what came over HTTP and what lies in the landing folder."""
    place = on_stack(where)
    from flows.feedback import feedback as flow

    done, run = place.run("collecting", flow, as_of)
    took = done.collected
    lines = [
        f"{took.predictions} predictions and {took.labels} labels taken in, {took.quarantined} set aside"
    ]
    lines += [f"  taken: {name}" for name in took.files]
    lines += [f"  refused: {name}; its reason lies beside it in refused/" for name in took.refused_files]
    lines += [f"  put right: {said}" for said in done.said]
    lines += [f"  {sentence}" for each in done.sources if (sentence := each.sentence) is not None]
    lines.append(f"  the run: {run}")
    return Answer(lines, {**dataclasses.asdict(done), "run": run})


def watch(where: str, as_of: datetime | None) -> Answer:
    """Judge drift and performance."""
    place = on_stack(where)
    from flows.watch import watch as flow

    found, run = place.run("watching", flow, as_of)
    lines = [found.sentence]
    report = found.report
    if report is not None:
        lines.append(f"  the report: {report.page or report.verdict}")
    lines.append(f"  the run: {run}")
    judged = found.judged
    told = {
        "sentence": found.sentence,
        "drift": None if judged is None else judged.verdict.drift,
        "retrain": None if judged is None or judged.reason is None else judged.reason.evidence,
        "withheld": None if judged is None else judged.withheld,
        "person": judged is not None and judged.person,
        "estimate": None if judged is None or judged.estimate is None else judged.estimate.sentence,
        "harms": [] if judged is None else [harm.words for harm in judged.harms],
        "report": None if report is None else str(report.page or report.verdict),
        "run": run,
    }
    return Answer(lines, told)


def on_stack(where: str) -> Place:
    """Make this process a part of the stack; Prefect may be imported only then."""
    place = absolute(where)
    project = load_project(place)
    settings = as_up(Settings.from_env())
    present = running(settings)
    if present is not None and present.name != project.name:
        msg = f"{settings.home} is up for {present.name}, not {project.name}; end that with bin/keepfit down"
        raise StackError(msg)
    if present is not None and not present.ready:
        msg = f"{project.name} is still starting; try again when bin/keepfit up has printed its addresses"
        raise StackError(msg)
    require_prefect(settings)
    use_stack(settings, place, project.name)
    return Place(place, project.name, settings)


def _version_page(place: Place, version: int) -> str:
    return f"{place.settings.mlflow_url}/#/models/{place.name}/versions/{version}"
