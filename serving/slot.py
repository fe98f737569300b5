"""The live model, and replacing it without stopping."""

import threading
from dataclasses import dataclass

from serving.contract import Schema
from serving.pace import Pace
from serving.predictor import Predictor
from serving.typed import TypedRows


@dataclass(frozen=True, slots=True)
class LiveModel:
    """What a request answers with: the model, what it takes, and which swap brought it."""

    predictor: Predictor
    schema: Schema
    rows: TypedRows
    pace: Pace
    generation: int

    @property
    def version(self) -> int:
        """The registry's number; it goes down on a rollback."""
        return self.predictor.manifest.version

    @property
    def digest(self) -> str:
        """The bundle that is served."""
        return self.predictor.bundle.digest


class ModelSlot:
    """The one place that knows which model is live.

    Readers take `slot.live` once per request and keep that reference, so a request
    never sees two models. The old one is freed when its last request lets go of it.
    """

    def __init__(self) -> None:
        self._live: LiveModel | None = None
        self._generation = 0
        self._swapping = threading.Lock()

    @property
    def live(self) -> LiveModel | None:
        """The model of this moment; None before the first champion, or when none is left."""
        return self._live

    @property
    def generation(self) -> int:
        """How often the model was replaced; it only rises."""
        return self._generation

    def swap(self, predictor: Predictor, pace: Pace | None = None) -> LiveModel:
        """Make a model live for every request that begins after this; `pace` is what is known of it."""
        schema = Schema(predictor.manifest.columns, predictor.manifest.target)
        rows = TypedRows(schema)
        with self._swapping:
            self._generation += 1
            # One assignment is the whole swap: readers need no lock.
            self._live = LiveModel(predictor, schema, rows, pace or Pace(), self._generation)
            return self._live

    def clear(self) -> None:
        """Serve nothing any more: no champion is left."""
        with self._swapping:
            if self._live is not None:
                self._generation += 1
                self._live = None
