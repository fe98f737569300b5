"""API keys: who may ask for what, kept as hashes in a file that every server follows."""

import hashlib
import logging
import secrets
import stat
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from data.durable import locked, replace_file
from data.records import now
from keepfit.errors import KeysUnreadable, KeyUnknown, StackError
from keepfit.settings import Settings
from keepfit.tls import require_encrypted

_log = logging.getLogger(__name__)

Role = Literal["predict", "feedback", "read", "operate"]
"""What a key may do: ask for predictions, send labels, look, and change what is served."""
ROLES: tuple[Role, ...] = get_args(Role)

_PREFIX = "keepfit_"
_SECRET_BYTES = 32
_LONGEST_NAME = 63


class ApiKey(Struct, frozen=True, kw_only=True):
    """One key, without its secret: `digest` is the SHA-256 of its text.

    A plain hash is enough: the text has 256 random bits, so there is nothing to guess (NIST SP 800-63B,
    5.1.1.2, asks for slow hashes of what people choose). `number` is never given twice.
    `rate` is the most requests per second that one machine answers; None is no limit.
    """

    number: int
    name: str
    digest: str
    roles: tuple[Role, ...]
    made_at: datetime
    rate: float | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def may(self, roles: Sequence[Role]) -> bool:
        """Tell whether it has one of some roles."""
        return any(role in self.roles for role in roles)

    def is_valid(self, at: datetime) -> bool:
        """Tell whether it may be used at a time."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)

    def state(self, at: datetime) -> str:
        """Say whether it may be used, in a word."""
        return "valid" if self.is_valid(at) else "expired" if self.revoked_at is None else "revoked"


class _File(Struct, frozen=True):
    keys: tuple[ApiKey, ...] = ()


class ApiKeys:
    """The keys of one file, as they are now: `look` reads it again where it was changed.

    A file that cannot be read later leaves the keys as they were, and is told in the log: who edits it by
    hand must not lock everybody out. At the beginning it raises KeysUnreadable.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: object = None
        self._by_digest: dict[bytes, ApiKey] = {}
        self._by_number: dict[int, ApiKey] = {}
        self._by_text: dict[bytes, ApiKey] = {}
        self._seen = _stamp(file)
        self._take(read_keys(file))

    def look(self) -> None:
        """Read the file again, if it is another one."""
        stamp = _stamp(self._file)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._take(read_keys(self._file))
        except KeysUnreadable as fault:
            _log.error("the API keys stay as they were: %s", fault)

    def of(self, text: bytes) -> ApiKey | None:
        """Find the key with a text, if it may be used now.

        It is looked up by its hash: how long that takes says nothing about any key. One that was found is
        remembered as it came, for it comes with every request.
        """
        seen = self._by_text
        found = seen.get(text)
        if found is None:
            found = self._by_digest.get(hashlib.sha256(text).digest())
            if found is None:
                return None
            seen[text] = found
        return found if found.is_valid(now()) else None

    def numbered(self, number: int) -> ApiKey | None:
        """Find a key by its number, if it may be used now."""
        found = self._by_number.get(number)
        return found if found is not None and found.is_valid(now()) else None

    def _take(self, keys: Sequence[ApiKey]) -> None:
        # Assignments of whole tables: a reader in another thread needs no lock.
        self._by_number = {key.number: key for key in keys}
        self._by_digest = {bytes.fromhex(key.digest): key for key in keys}
        self._by_text = {}


def asked_keys(settings: Settings) -> ApiKeys | None:
    """Open the keys that a server asks for, or return None where it asks for none.

    Raises StackError where a server that others reach would answer nobody, or keys would travel in the clear.
    """
    if not settings.asks_keys:
        return None
    file = settings.api_keys_file
    require_encrypted(settings)
    if not any(key.is_valid(now()) for key in read_keys(file)):
        msg = (
            f"{file}: holds no API key that may be used, and nobody could ask for anything; make one with "
            "bin/keepfit keys make NAME --role read --role operate"
        )
        raise StackError(msg)
    return ApiKeys(file)


def read_keys(file: Path) -> tuple[ApiKey, ...]:
    """Read every key, in the order in which they were made; none where there is no file."""
    try:
        if file.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            msg = f"{file}: others than its owner may write it; take that away (chmod 600)"
            raise KeysUnreadable(msg)
        kept = msgspec.json.decode(file.read_bytes(), type=_File).keys
        for key in kept:
            if len(bytes.fromhex(key.digest)) != hashlib.sha256().digest_size:
                raise ValueError
    except FileNotFoundError:
        return ()
    except OSError as fault:
        msg = f"{file}: the API keys cannot be read: {fault.strerror}; let this user read them"
        raise KeysUnreadable(msg) from fault
    except (msgspec.MsgspecError, ValueError, RecursionError) as fault:
        what = str(fault) or "a digest is none"
        msg = f"{file}: is no file of API keys: {what}; put back a copy of it, or make new keys"
        raise KeysUnreadable(msg) from fault
    return kept


def make_api_key(
    file: Path,
    name: str,
    roles: Sequence[Role],
    rate: float | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its text, which is kept nowhere; raise KeyUnknown for a name in use."""
    if not (
        0 < len(name) <= _LONGEST_NAME and all(c.isascii() and (c.isalnum() or c in "._-") for c in name)
    ):
        msg = (
            f"{name!r}: a key's name has 1 to {_LONGEST_NAME} letters, digits, dots, - and _; choose another"
        )
        raise KeyUnknown(msg)
    text = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    with locked(file.with_name(f".{file.name}.lock")):
        kept = read_keys(file)
        if any(key.name == name and key.revoked_at is None for key in kept):
            msg = f"a key {name} is there already; revoke it first, or choose another name"
            raise KeyUnknown(msg)
        made = ApiKey(
            number=max((key.number for key in kept), default=0) + 1,
            name=name,
            digest=hashlib.sha256(text.encode()).hexdigest(),
            roles=tuple(role for role in ROLES if role in roles),
            made_at=now(),
            rate=rate,
            expires_at=expires_at,
        )
        _write(file, (*kept, made))
    return made, text


def revoke_api_key(file: Path, name: str) -> ApiKey:
    """Let nobody use a key any more; raise KeyUnknown where none of this name is in use."""
    with locked(file.with_name(f".{file.name}.lock")):
        kept = read_keys(file)
        found = next((key for key in kept if key.name == name and key.revoked_at is None), None)
        if found is None:
            used = ", ".join(key.name for key in kept if key.revoked_at is None) or "none"
            msg = f"no key {name} is in use; in use are: {used}"
            raise KeyUnknown(msg)
        revoked = replace(found, revoked_at=now())
        _write(file, tuple(revoked if key is found else key for key in kept))
    return revoked


def _write(file: Path, keys: tuple[ApiKey, ...]) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(file, msgspec.json.format(msgspec.json.encode(_File(keys))), mode=0o600)


def _stamp(file: Path) -> object:
    try:
        told = file.stat()
    except OSError as fault:
        return fault.errno
    return told.st_ino, told.st_mtime_ns, told.st_size, told.st_mode
