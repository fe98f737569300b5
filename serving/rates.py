"""How often each API key may ask: one number a key, in memory that all workers of a machine share.

The generic cell rate algorithm (ITU-T I.371, also known as a leaky bucket as a meter): for each key the
time at which it will have used up what it asked for so far; who is further ahead than the burst waits.
"""

import mmap
import os
import struct
import time

_SLOTS = 8192
_TIME = struct.Struct("d")
_BURST_S = 1.0
"""What a key that asked for nothing lately may ask for at once: this long's worth, one request at least."""


def shared_memory() -> int:
    """Make what the workers of a parent share: no file, so no full disk and no other user can touch it."""
    made = os.memfd_create("keepfit-rates", os.MFD_CLOEXEC)
    os.ftruncate(made, _SLOTS * _TIME.size)
    return made


class Rates:
    """The rates of all keys; every process that opens the same memory counts together.

    Two workers that take a request of one key at the very same moment may count it once: a key gets one
    more request then, and no lock is held on the way of every request.
    """

    def __init__(self, memory: str | None = None) -> None:
        if memory is None:
            self._times = mmap.mmap(-1, _SLOTS * _TIME.size)
            return
        descriptor = os.open(memory, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._times = mmap.mmap(descriptor, _SLOTS * _TIME.size)
        finally:
            os.close(descriptor)

    def wait_s(self, number: int, rate: float) -> float:
        """Count a request of the key with a number, and return 0; or how long it has to wait, uncounted."""
        place = number % _SLOTS * _TIME.size
        now, apart = time.monotonic(), 1 / rate
        ahead = max(_BURST_S, apart)
        used_up: float = _TIME.unpack_from(self._times, place)[0]
        coming = max(now, used_up) + apart
        if coming - now > ahead + 1e-9:
            return coming - now - ahead
        _TIME.pack_into(self._times, place, coming)
        return 0.0
