"""Many workers that start at once, and many loads of one: all serve, and nothing is left behind."""

import gc
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from data.releases import POINTER, Pointer, move_pointer, publish
from keepfit.settings import ROOT
from serving.follower import Follower
from serving.slot import ModelSlot
from tests.builders import opened, published
from tests.keys import TRUST, TRUSTED
from tests.serving.running import eventually

pytestmark = pytest.mark.long

WORKERS = 64
LOADS = 40

_STARTS = """
import os
import sys
from pathlib import Path

from data.signatures import Trust
from serving.follower import Follower
from serving.slot import ModelSlot

releases, trusted, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
gate, holds = os.pipe()
for _ in range(count):
    if os.fork() == 0:
        os.close(holds)
        os.read(gate, 1)  # until nobody holds it any more
        slot = ModelSlot()
        follower = Follower(slot, releases, "flights", Trust(trusted))
        follower.look()
        told = f"{slot.live and slot.live.version} {slot.generation} {follower.error}\\n"
        os.write(1, told.encode())
        os._exit(0)
os.close(holds)
sys.exit(any(os.wait()[1] for _ in range(count)))
"""


def test_64_workers_that_start_at_once_on_one_release_all_serve_it(tmp_path: Path) -> None:
    releases = tmp_path / "releases"
    digest = published(tmp_path, releases, version=3)
    command = [sys.executable, "-c", _STARTS, str(releases), str(TRUSTED), str(WORKERS)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout.splitlines() == ["3 1 None"] * WORKERS
    assert "could not be noted" not in told.stderr
    assert {path.name for path in releases.iterdir()} == {digest, POINTER, "served.json", ".lock"}


def test_40_loads_leave_no_file_descriptor_or_thread_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    releases = tmp_path / "releases"
    good = [opened(tmp_path, version=version) for version in (1, 2)]
    lying = opened(tmp_path, version=3, golden_outputs=[[0.5], [0.5]])
    for bundle in (*good, lying):
        publish(bundle, releases, TRUST)
    slot = ModelSlot()
    follower = Follower(slot, releases, "flights", TRUST)

    def load(promotion: int) -> None:
        # Every fourth is refused: it must leave nothing either.
        bundle = lying if promotion % 4 == 0 else good[promotion % 2]
        move_pointer(releases, Pointer(bundle.digest, bundle.manifest.version, promotion))
        assert follower.look()

    def held() -> tuple[set[str], int, int]:
        gc.collect()
        files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        return files, descriptors, len(list(Path("/proc/self/task").iterdir()))

    for promotion in range(1, 9):
        load(promotion)
    before = held()
    for promotion in range(9, 9 + LOADS):
        load(promotion)
    eventually(lambda: held() == before)  # the kernel takes a moment to forget a thread that ended
    assert follower.failures == (8 + LOADS) // 4
