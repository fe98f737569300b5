"""A labelled file as what callers will send: predictions as they fall due, labels as they become known."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zlib import crc32

from data.files import read_file
from data.intake import Origin, take_rows
from data.records import Label, Prediction
from keepfit.errors import FileUnreadable
from keepfit.spec import Project


@dataclass
class Traffic:
    """The predictions and labels of a file, each list in the order of its time."""

    predictions: list[Prediction]
    labels: list[Label]

    def between(self, since: datetime, until: datetime) -> "Traffic":
        """Keep what is predicted from `since` on, and falls due or becomes known before `until`."""
        begun = bisect_left(self.predictions, since, key=_due)
        predictions = self.predictions[begun : bisect_left(self.predictions, until, key=_due)]
        asked = {prediction.prediction_id for prediction in predictions}
        labels = self.labels[: bisect_left(self.labels, until, key=_known)]
        return Traffic(predictions, [label for label in labels if label.prediction_id in asked])

    def due(self, since: datetime, until: datetime) -> "Traffic":
        """Return what falls due or becomes known from `since` (included) until `until` (not included)."""
        return Traffic(
            self.predictions[
                bisect_left(self.predictions, since, key=_due) : bisect_left(
                    self.predictions, until, key=_due
                )
            ],
            self.labels[
                bisect_left(self.labels, since, key=_known) : bisect_left(self.labels, until, key=_known)
            ],
        )

    def in_order(self) -> Iterator[Prediction | Label]:
        """Go through all by time; of two at one time the prediction comes first."""
        yield from sorted([*self.predictions, *self.labels], key=_time)

    def shared_out(self, parts: int) -> list["Traffic"]:
        """Deal the traffic to callers: a prediction and its label go to the same one, in their order."""
        dealt = [Traffic([], []) for _ in range(parts)]
        for prediction in self.predictions:
            dealt[_part(prediction.prediction_id, parts)].predictions.append(prediction)
        for label in self.labels:
            dealt[_part(label.prediction_id or "", parts)].labels.append(label)
        return [part for part in dealt if part.predictions or part.labels]


def read_traffic(project: Project, path: Path) -> tuple[Traffic, list[str]]:
    """Read a labelled file, and say of each row that is none why it is left out.

    Raises FileUnreadable for a file without one usable row, or without a label.
    """
    _, rows = read_file(path)
    records = take_rows(project, rows, Origin(path.name))
    reasons = [rejected.reason for rejected in records.rejected]
    if not records.predictions or not records.row_labels:
        lacks = "a row" if not records.predictions else "a label"
        why = f" ({reasons[0]})" if reasons else ""
        msg = (
            f"{path.name}: holds not {lacks} of {project.name} that could be replayed{why}; correct the file"
        )
        raise FileUnreadable(msg)
    traffic = Traffic(sorted(records.predictions, key=_due), sorted(records.row_labels, key=_known))
    return traffic, reasons


def _due(prediction: Prediction) -> datetime:
    return prediction.predicted_at


def _known(label: Label) -> datetime:
    return label.known_at


def _time(event: Prediction | Label) -> datetime:
    return event.predicted_at if isinstance(event, Prediction) else event.known_at


def _part(prediction_id: str, parts: int) -> int:
    return crc32(prediction_id.encode()) % parts
