import json
import logging
import sys

from serving.logs import JsonLines


def record(**extra: object) -> logging.LogRecord:
    try:
        raise ValueError("one\ntwo")
    except ValueError:
        caught = sys.exc_info()
    made = logging.LogRecord("serving.app", logging.ERROR, "", 0, "%s: failed", ("/v1/predict",), caught)
    made.__dict__ |= extra
    return made


def test_a_line_is_one_object_with_the_request_that_it_is_about() -> None:
    line = JsonLines().format(record(request_id="r-1", trace_id="ab" * 16))
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["logger"], told["message"]) == ("ERROR", "serving.app", "/v1/predict: failed")
    assert (told["request_id"], told["trace_id"]) == ("r-1", "ab" * 16)
    assert "ValueError: one\ntwo" in told["exception"]


def test_a_line_about_no_request_names_none() -> None:
    assert "request_id" not in json.loads(JsonLines().format(record()))
