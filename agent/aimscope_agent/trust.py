"""The last good root, catalogue, overlay and policy of this machine, and the latest moment its clock ever showed.

What arrives replaces what is in force only if its signatures, version, expiry, length and hash are in order. What is
refused changes nothing, except that the clock is remembered: setting it back brings nothing expired back to life.
What is in force stays in force past its expiry and is reported as stale.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from aimscope_agent import durable
from aimscope_signatures import signed
from aimscope_signatures.signed import ROLES, Accepted, Envelope, Parcel, Refused, Role, Statement

_CLOCK_STEP: Final = 3_600
"""Seconds the clock may advance before it is written down again, while nothing is judged by it."""
_LARGEST_STATE: Final = 4 << 20
Fetch = Callable[[Statement], bytes]


class TrustError(Exception):
    """What is trusted cannot be read or kept; the text says why and what to do."""


class _State(msgspec.Struct, omit_defaults=True):
    """What ``state.json`` holds. Envelopes in it were verified when they came."""

    clock: int = 0
    envelopes: dict[Role, str] = {}


class Trust:
    """What a folder keeps of signed feeds. One process at a time uses it."""

    def __init__(self, folder: Path) -> None:
        """Read the folder, which need not exist. Raises ``TrustError``."""
        self._folder = folder
        self._state = self._loaded()
        try:
            self._force: dict[Role, Statement] = {
                role: _opened(envelope) for role, envelope in self._state.envelopes.items()
            }
        except (msgspec.MsgspecError, ValueError):
            raise TrustError(f"{folder} is damaged: remove it and enrol again") from None

    @property
    def root(self) -> Statement | None:
        """The root in force."""
        return self._force.get("root")

    @property
    def clock(self) -> int:
        """The latest moment this machine has seen, as far as it was written down."""
        return self._state.clock

    def versions(self) -> dict[str, int]:
        """Version of each feed in force; one whose file is gone is to be had again."""
        return {role: self._force[role].version for role in ROLES if role in self._force and self._is_there(role)}

    def stale(self, now: int) -> tuple[Role, ...]:
        """Feeds in force whose time has passed: they are used all the same."""
        latest = max(now, self.clock)
        return tuple(role for role in ROLES if role in self._force and self._force[role].expires <= latest)

    def body(self, role: Role) -> bytes | None:
        """The catalogue, overlay or policy in force; ``None`` where there is none, or it was damaged."""
        statement = self._force.get(role)
        if statement is None or role == "root":
            return None
        try:
            data = durable.read(self._path(role, statement), statement.length)
        except OSError:
            return None
        return data if data is not None and signed.check_body(statement, data) is None else None

    def observe(self, now: int) -> None:
        """Remember the clock, now and then. Raises ``TrustError``."""
        if now >= self.clock + _CLOCK_STEP:
            self._remember(now)

    def begin(self, envelope: str, now: int, *, fingerprint: str = "") -> Accepted | Refused:
        """Put the first root in force; with one in force, this is as good as an offer. Raises ``TrustError``.

        ``fingerprint`` is the one root that may be, where the organisation has made it known beforehand.
        """
        if self.root is not None:
            if envelope == self._state.envelopes["root"]:
                return Accepted(self.root)
            return self.offer("root", envelope, now, _nothing)
        self._remember(now)
        result = signed.first_root(envelope, now=now, highest_clock=self.clock, fingerprint=fingerprint)
        if isinstance(result, Accepted):
            self._put("root", envelope, result.statement)
        return result

    def offer(self, role: Role, envelope: str, now: int, fetch: Fetch) -> Accepted | Refused:
        """Judge what is offered, and put it in force if it is good.

        ``fetch`` is asked for the body only when the statement is to be believed; what it raises is passed on. Raises
        ``TrustError`` where the folder cannot be written: then what was in force still is.
        """
        self._remember(now)
        if self.root is None:
            return Refused("signatures", "there is no root of trust here: enrol first, or import a root")
        present = self._force.get(role)
        result = signed.verify(
            envelope,
            self.root,
            role,
            now=now,
            highest_clock=self.clock,
            known_version=present.version if present else 0,
            known_sha256=present.sha256 if present else "",
        )
        if isinstance(result, Refused):
            return result
        if role != "root":
            body = fetch(result.statement)
            flaw = signed.check_body(result.statement, body)
            if flaw is not None:
                return flaw
            self._write(self._path(role, result.statement), body)
        self._put(role, envelope, result.statement)
        return result

    def import_parcel(self, data: bytes, now: int, *, fingerprint: str = "") -> Accepted | Refused:
        """Put in force what somebody brought as a file, with the roots that lead up to it. Raises ``TrustError``."""
        if len(data) > signed.LARGEST_PARCEL:
            return Refused("malformed", "the file is too large")
        try:
            parcel = msgspec.json.decode(data, type=Parcel)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return Refused("malformed", "this is no signed catalogue, overlay, policy or root")
        roots = (*parcel.roots, parcel.envelope) if parcel.name == "root" else parcel.roots
        result: Accepted | Refused = Refused("malformed", "the file brings nothing")
        for envelope in roots:
            if self._has_passed(envelope):
                result = Refused("rollback", "this root, or a newer one, is in force already")
                continue
            result = self.begin(envelope, now, fingerprint=fingerprint)
            if isinstance(result, Refused):
                return result
        if parcel.name == "root":
            return result
        return self.offer(parcel.name, parcel.envelope, now, lambda _: parcel.body)

    def reset_clock(self, now: int) -> None:
        """Forget a moment that never was: for a person, after a clock that ran ahead was put right."""
        self._state = msgspec.structs.replace(self._state, clock=now)
        self._save(self._state)

    def _remember(self, now: int) -> None:
        if now > self.clock:
            state = msgspec.structs.replace(self._state, clock=now)
            self._save(state)
            self._state = state

    def _put(self, role: Role, envelope: str, statement: Statement) -> None:
        state = _State(self.clock, {**self._state.envelopes, role: envelope})
        self._save(state)
        self._state = state
        before = self._force.get(role)
        self._force[role] = statement
        if before is not None and role != "root" and before.sha256 != statement.sha256:
            self._path(role, before).unlink(missing_ok=True)

    def _path(self, role: Role, statement: Statement) -> Path:
        return self._folder / f"{role}-{statement.sha256[:32]}"

    def _has_passed(self, envelope: str) -> bool:
        """Whether a root on the way to the present one lies behind it, by its own word: it is not used then."""
        try:
            return self.root is not None and _opened(envelope).version <= self.root.version
        except (msgspec.MsgspecError, ValueError):
            return False

    def _is_there(self, role: Role) -> bool:
        try:
            return role == "root" or self._path(role, self._force[role]).stat().st_size == self._force[role].length
        except OSError:
            return False

    def _loaded(self) -> _State:
        """The state, or its copy where it is damaged: what was once trusted is not lost to one torn file."""
        damaged = False
        for name in ("state.json", "state.copy.json"):
            try:
                data = durable.read(self._folder / name, _LARGEST_STATE)
                if data is not None:
                    digest, _, body = data.partition(b"\n")
                    if digest.decode("ascii") == hashlib.sha256(body).hexdigest():
                        return msgspec.json.decode(body, type=_State)
                    damaged = True
            except OSError as error:
                raise TrustError(f"{self._folder / name}: {error.strerror}") from None
            except (msgspec.MsgspecError, UnicodeError):
                damaged = True
        if damaged:
            raise TrustError(f"{self._folder} is damaged: remove it and enrol again")
        return _State()

    def _save(self, state: _State) -> None:
        body = msgspec.json.encode(state)
        data = hashlib.sha256(body).hexdigest().encode() + b"\n" + body
        for name in ("state.json", "state.copy.json"):
            self._write(self._folder / name, data)

    def _write(self, path: Path, data: bytes) -> None:
        try:
            durable.write(path, data)
        except OSError as error:
            raise TrustError(f"{path}: {error.strerror}; what was in force stays in force") from None


def _opened(envelope: str) -> Statement:
    payload = base64.b64decode(msgspec.json.decode(envelope, type=Envelope).payload)
    return msgspec.json.decode(payload, type=Statement)


def _nothing(_: Statement) -> bytes:
    return b""
