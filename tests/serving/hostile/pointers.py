"""Hostile by what stands where the pointer is looked for."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

Lay = Callable[[Path], object]
"""Makes what is moved to where the pointer was."""


def _text(content: bytes) -> Lay:
    return lambda path: path.write_bytes(content)


def _told(**told: object) -> Lay:
    return _text(msgspec.json.encode({"digest": "0" * 64, "version": 3, "promotion": 3} | told))


KINDS: dict[str, Lay] = {
    "empty": _text(b""),
    "no JSON": _text(b"champion"),
    "cut": _text(b'{"digest": "0000'),
    "a list": _text(b"[]"),
    "null": _text(b"null"),
    "of no digest": _text(b'{"version": 1, "promotion": 1}'),
    "nested too deeply": _text(b'{"x":' * 700),
    "no UTF-8": _text(b'{"digest": "\xff"}'),
    "half a character": _text(b'{"digest": "\\ud800", "version": 1, "promotion": 1}'),
    "of a digest that is a number": _told(digest=7),
    "of a digest that is a path": _told(digest="../../outside/bundle"),
    "of a digest that is a path of the machine": _told(digest="/proc/self"),
    "of a digest that is empty": _told(digest=""),
    "of a digest that is a dot": _told(digest="."),
    "of a digest with NUL": _told(digest="0\x000"),
    "of a digest with a line": _told(digest="0\n0"),
    "of a digest of 3,000 characters": _told(digest="0" * 3000),
    "of a digest of 5,000 characters": _told(digest="0" * 5000),
    "of a bundle that is not there": _told(),
    "of a version that is text": _told(version="3"),
    "of a promotion of 80 bits": _told(promotion=2**64 - 1, version=1.5),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to /proc/self/mem": lambda path: path.symlink_to("/proc/self/mem"),
    "a link to /etc/passwd": lambda path: path.symlink_to("/etc/passwd"),
    "a link to itself": lambda path: path.symlink_to(path.with_name("champion.json")),
    "of 1 TB": lambda path: (path.touch(), os.truncate(path, 2**40)),
}
