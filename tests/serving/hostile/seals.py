"""Hostile by its signature: none, another's, or one that says something else than it should."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

from data.bundles import SIGNATURE
from tests.keys import KEY_FILE, payload, seal, signature, sigstore
from tests.serving.hostile.bundles import Scene, Spoil

Change = Callable[[Any], object]


def kinds() -> Iterator[tuple[str, Spoil]]:
    """Name each kind."""
    yield "signed by a stranger", lambda scene: seal(scene.folder, scene.stranger)
    yield "signed by a stranger in our name", _forge
    for what, text in _TEXTS.items():
        yield f"signature: {what}", lambda scene, t=text: _write(scene, t)
    for what, change in _ENVELOPES.items():
        yield f"signature: {what}", lambda scene, c=change: _tamper(scene, c)
    for what, change in _PAYLOADS.items():
        yield f"signed: {what}", lambda scene, c=change: _resign(scene, c)
    for what, edit in _EDITS.items():
        yield (
            f"signature: {what}",
            lambda scene, e=edit: _write(scene, e((scene.folder / SIGNATURE).read_text()).encode()),
        )
    yield (
        "signed: a member twice",
        lambda scene: _sign_text(
            scene, lambda text: text.replace('"predicateType"', '"predicateType": "x", "predicateType"', 1)
        ),
    )
    yield "signed: nested too deeply", lambda scene: _sign_text(scene, lambda _: "[" * 100_000)
    yield "signed: no JSON", lambda scene: _sign_text(scene, lambda _: "signed")
    yield "signed: nothing", lambda scene: _sign_text(scene, lambda _: "")


_TEXTS = {
    "null": b"null",
    "a list": b"[]",
    "a text": b'"signed"',
    "a number of 5,000 digits": b"9" * 5000,
    "not a number": b"NaN",
    "an empty object": b"{}",
    "nested too deeply": b"[" * 100_000,
    "no UTF-8": b"\xff\xfe{}",
    "half a character": b'{"mediaType": "\\ud800"}',
    "2 MB": b" " * 2**21,
    "a PEM key": b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
}
_EDITS = {
    "behind a byte order mark": lambda text: "\ufeff" + text,
    "as a list of itself": lambda text: f"[{text}]",
    "a member twice": lambda text: text.replace('"mediaType"', '"mediaType": "x", "mediaType"', 1),
    "with a comment": lambda text: text + "// trusted",
}


def _set(*path: str | int, to: object) -> Change:
    def change(told: Any) -> None:
        for each in path[:-1]:
            told = told[each]
        told[path[-1]] = to

    return change


def _drop(*path: str | int) -> Change:
    def change(told: Any) -> None:
        for each in path[:-1]:
            told = told[each]
        del told[path[-1]]

    return change


_SIGNED = ("dsseEnvelope", "signatures")
_KEY = ("verificationMaterial", "publicKey")
_ENVELOPES: dict[str, Change] = {
    "two of them": lambda t: t["dsseEnvelope"]["signatures"].append(t["dsseEnvelope"]["signatures"][0]),
    "none of them": _set(*_SIGNED, to=[]),
    "not a list of them": _set(*_SIGNED, to={}),
    "empty": _set(*_SIGNED, 0, "sig", to=""),
    "that is null": _set(*_SIGNED, 0, "sig", to=None),
    "zeros": _set(*_SIGNED, 0, "sig", to="MAYCAQACAQA="),
    "ones": _set(*_SIGNED, 0, "sig", to="MAYCAQECAQE="),
    "no base64": _set(*_SIGNED, 0, "sig", to="****"),
    "1 MB of zeros": _set(*_SIGNED, 0, "sig", to="A" * 700_000),
    "with a key id": _set(*_SIGNED, 0, "keyid", to="root"),
    "of another media type": _set("mediaType", to="application/vnd.dev.sigstore.bundle.v0.2+json"),
    "of another payload type": _set("dsseEnvelope", "payloadType", to="text/plain"),
    "of another payload": _set("dsseEnvelope", "payload", to=base64.b64encode(b"{}").decode()),
    "of no payload": _set("dsseEnvelope", "payload", to=""),
    "of a payload that is no base64": _set("dsseEnvelope", "payload", to="{}"),
    "without an envelope": _drop("dsseEnvelope"),
    "without a key": _drop("verificationMaterial"),
    "by a key of no name": _set(*_KEY, "hint", to=""),
    "by a key named in capitals": lambda t: _set(
        *_KEY, "hint", to=t["verificationMaterial"]["publicKey"]["hint"].upper()
    )(t),
    "by a key named by a path": _set(*_KEY, "hint", to="../../outside/strangers/stranger"),
    "with a key of its own": _set(*_KEY, "rawBytes", to="AAAA"),
    "by a certificate": _set("verificationMaterial", to={"certificate": {"rawBytes": "AAAA"}}),
    "with an entry of a log": _set("verificationMaterial", "tlogEntries", to=[{}]),
    "with a member that nobody knows": _set("trusted", to=True),
    "with an envelope that says more": _set("dsseEnvelope", "trusted", to=True),
    "that says more": _set(*_SIGNED, 0, "trusted", to=True),
}


def _resources(change: Callable[[list[dict[str, str]]], object]) -> Change:
    return lambda told: change(told["predicate"]["resources"])


_FIRST = ("predicate", "resources", 0)
_METHOD = ("predicate", "serialization")
_PAYLOADS: dict[str, Change] = {
    "another statement": _set("_type", to="https://in-toto.io/Statement/v0.1"),
    "another predicate": _set("predicateType", to="https://model_signing/Digests/v0.1"),
    "no predicate": _drop("predicate"),
    "no subject": _set("subject", to=[]),
    "two subjects": lambda t: t["subject"].append(t["subject"][0]),
    "a subject of another digest": _set("subject", 0, "digest", "sha256", to="0" * 64),
    "a subject of another hash": _set("subject", 0, "digest", to={"sha512": "0" * 128}),
    "no files": _resources(list.clear),
    "a file less": _resources(list.pop),
    "a file twice": _resources(lambda files: files.append(files[0])),
    "the files in another order": _resources(list.reverse),
    "a file more": _resources(
        lambda files: files.append({"name": "z.py", "algorithm": "sha256", "digest": "0" * 64})
    ),
    "a file outside": _set(*_FIRST, "name", to="../manifest.json"),
    "a file of the machine": _set(*_FIRST, "name", to="/etc/passwd"),
    "a file called ./": _set(*_FIRST, "name", to="./manifest.json"),
    "a file in capitals": _set(*_FIRST, "name", to="MANIFEST.JSON"),
    "a file of another digest": _set(*_FIRST, "digest", to="0" * 64),
    "a digest in capitals": _resources(lambda files: files[0].update(digest=files[0]["digest"].upper())),
    "a digest that is short": _resources(lambda files: files[0].update(digest=files[0]["digest"][:16])),
    "an empty digest": _set(*_FIRST, "digest", to=""),
    "a digest of another hash": _set(*_FIRST, "algorithm", to="md5"),
    "a file that says more": _set(*_FIRST, "trusted", to=True),
    "parts of files": _set(*_METHOD, "method", to="shards"),
    "files by another hash": _set(*_METHOD, "hash_type", to="blake2b"),
    "a method that says more": _set(*_METHOD, "shard_size", to=1),
    "more": _set("trusted", to=True),
}  # fmt: skip


def _write(scene: Scene, content: bytes) -> None:
    (scene.folder / SIGNATURE).write_bytes(content)


def _files(scene: Scene) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in scene.folder.iterdir() if f.name != SIGNATURE}


def _forge(scene: Scene) -> None:
    """Sign with a strange key, and say that ours did it."""
    ours, theirs = (json.loads(signature(_files(scene), key)) for key in (KEY_FILE, scene.stranger))
    theirs["verificationMaterial"] = ours["verificationMaterial"]
    _write(scene, json.dumps(theirs).encode())


def _tamper(scene: Scene, change: Change) -> None:
    told = json.loads((scene.folder / SIGNATURE).read_text())
    change(told)
    _write(scene, json.dumps(told).encode())


def _resign(scene: Scene, change: Change) -> None:
    told = payload(_files(scene))
    change(told)
    _write(scene, sigstore(json.dumps(told).encode()).encode())


def _sign_text(scene: Scene, edit: Callable[[str], str]) -> None:
    _write(scene, sigstore(edit(json.dumps(payload(_files(scene)))).encode()).encode())
