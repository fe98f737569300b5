"""The idempotency keys that a worker saw last, and what came under each."""

from collections import OrderedDict

from serving.refusal import Refused

_LONGEST = 200
_REMEMBERED = 10_000
"""Keys; a retry comes within seconds, and what is forgotten here is seen when the journal is drained."""


class Keys:
    """Refuses another body under a key that this worker saw on one route; only its event loop touches it."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, int] = OrderedDict()

    def forget(self, key: str | None) -> None:
        """Take a key as one that never came."""
        if key is not None:
            self._seen.pop(key, None)

    def check(self, key: str, content: bytes) -> None:
        """Remember a key; raise Refused when it is none (400), or came with other content before (409)."""
        if not (0 < len(key) <= _LONGEST and key.isascii() and key.isprintable()):
            raise Refused(400, f"header Idempotency-Key: expected 1 to {_LONGEST} characters of ASCII")
        found = hash(content)
        before = self._seen.setdefault(key, found)
        if before != found:
            raise Refused(
                409,
                f"header Idempotency-Key: {key[:60]!r} came with another body before; "
                "send a new request under a new key, and a retry as it was",
            )
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
