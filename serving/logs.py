"""The log of a worker: lines for people, or JSON objects for machines."""

import logging
from datetime import UTC, datetime

import msgspec

_TEXT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
_KEPT = ("request_id", "trace_id", "route")


def log_to_stderr(shape: str = "text") -> None:
    """Write the log where whoever started this process reads it; `shape` is text or json."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if shape == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, process, message; request_id and trace_id where known."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as one line."""
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        told |= {name: value for name in _KEPT if (value := getattr(record, name, None)) is not None}
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(told).decode()
