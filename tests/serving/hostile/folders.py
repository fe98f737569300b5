"""Hostile by what lies in the folder: changed bytes, other files, links, pipes, absurd sizes."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from data.bundles import MANIFEST, MODEL, SIGNATURE
from tests.serving.hostile.bundles import FILES, Scene, Spoil

_CODE = "open({!r}, 'w').close()\n"


def kinds() -> Iterator[tuple[str, Spoil]]:
    """Name each kind."""
    for name in FILES:
        for how, change in _CHANGES.items():
            yield f"{name} {how}", lambda scene, n=name, c=change: _change(scene, n, c)
        yield f"{name} gone", lambda scene, n=name: (scene.folder / n).unlink()
        yield f"{name} of another bundle", lambda scene, n=name: _other(scene, n)
        yield f"{name} of 1 TB", lambda scene, n=name: os.truncate(scene.folder / n, 2**40)
        for what, lay in _STRANGE.items():
            yield f"{name} as {what}", lambda scene, n=name, p=lay: _replace(scene, n, p)
    for name in _EXTRA:
        yield (
            f"also {name!r}",
            lambda scene, n=name: (scene.folder / n).write_text(_CODE.format(str(scene.canary))),
        )
    yield (
        "also a name that is no text",
        lambda scene: os.close(os.open(os.fsencode(scene.folder) + b"/\xff\xfe", os.O_CREAT | os.O_WRONLY)),
    )
    for what, lay in _STRANGE.items():
        yield f"also {what}", lambda scene, p=lay: p(scene, scene.folder / "also")
    yield "1,000 files", lambda scene: [(scene.folder / f"{n}").touch() for n in range(1_000)]
    yield (
        "a link to a good bundle",
        lambda scene: _folder(scene, lambda home: home.symlink_to(scene.outside / "bundle")),
    )
    yield "a link to /proc/self", lambda scene: _folder(scene, lambda home: home.symlink_to("/proc/self"))
    yield "a link to itself", lambda scene: _folder(scene, lambda home: home.symlink_to(home))
    yield "a file", lambda scene: _folder(scene, lambda home: home.write_text("no folder"))
    yield "a pipe", lambda scene: _folder(scene, os.mkfifo)
    yield "an empty folder", lambda scene: _folder(scene, Path.mkdir)
    yield "the manifest's digest is right, and its bytes are not signed", _claim


_EXTRA = (
    *("evil.py", "evil.so", "model.pkl", "__init__.py", "sitecustomize.py", "conftest.py", "evil.pth"),
    *(".hidden", ".gitignore", ".gitattributes", "model.onnx.data", "MODEL.ONNX", "model.sig.bak"),
    *("manifest.json~", " ", "\n", "model.onnx\n", "…", "-rf"),
)


def _flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


_CHANGES = {
    "changed at its first byte": lambda c: _flip(c, 0),
    "changed in its middle": lambda c: _flip(c, len(c) // 2),
    "changed at its last byte": lambda c: _flip(c, len(c) - 1),
    "without its last byte": lambda c: c[:-1],
    "cut in half": lambda c: c[: len(c) // 2],
    "empty": lambda _: b"",
    "with a byte more": lambda c: c + b"?",
    "twice": lambda c: c + c,
    "as zeros": lambda c: bytes(len(c)),
}


def _change(scene: Scene, name: str, change) -> None:
    file = scene.folder / name
    file.write_bytes(change(file.read_bytes()))


def _other(scene: Scene, name: str) -> None:
    shutil.copyfile(scene.outside / "bundle" / name, scene.folder / name)


def _replace(scene: Scene, name: str, lay) -> None:
    file = scene.folder / name
    # Where a link is followed, all would be well: the bytes are the ones that are signed.
    file.rename(scene.outside / f"{scene.version}-{name}")
    lay(scene, file)


def _socket(_: Scene, home: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        descriptor = os.open(home.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            made.bind(f"/proc/self/fd/{descriptor}/{home.name}")  # its own path may be too long
        finally:
            os.close(descriptor)


_STRANGE = {
    "a link to the same bytes": lambda scene, home: home.symlink_to(
        scene.outside / f"{scene.version}-{home.name}"
    ),
    "a link to /etc/passwd": lambda _, home: home.symlink_to("/etc/passwd"),
    "a link to /dev/zero": lambda _, home: home.symlink_to("/dev/zero"),
    "a link to /proc/self/mem": lambda _, home: home.symlink_to("/proc/self/mem"),
    "a link to nothing": lambda _, home: home.symlink_to("nothing"),
    "a link to itself": lambda _, home: home.symlink_to(home.name),
    "a pipe": lambda _, home: os.mkfifo(home),
    "a socket": _socket,
    "a folder": lambda _, home: home.mkdir(),
}


def _folder(scene: Scene, lay) -> None:
    shutil.rmtree(scene.folder)
    lay(scene.folder)


def _claim(scene: Scene) -> None:
    """Change the model and the manifest that names it: all is as it should be, but the signature."""
    scene.good(scene.outside / f"claim-{scene.version}", output="sloped")
    for name in (MANIFEST, MODEL, "statement.json"):
        shutil.copyfile(scene.outside / f"claim-{scene.version}" / name, scene.folder / name)
    assert (scene.folder / SIGNATURE).is_file()
