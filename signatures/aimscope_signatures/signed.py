"""What agents believe only for its signatures: catalogue, overlay, policy, and the root that says whose keys count.

An envelope carries exact bytes and Ed25519 signatures over them (DSSE, with its pre-authentication encoding, so that
bytes of one type never pass as bytes of another). The bytes are a ``Statement``: which role speaks, a version that only
rises, an expiry, and hash and length of the body it vouches for. A root carries the keys themselves and has no body; it
is replaced by one that enough keys of the old *and* of the new root have signed.

Upstream's key is meant for the role ``catalogue``, the organisation's own for ``overlay`` and ``policy``.
Nothing here reads a clock or a file. ``cryptography`` is imported by the functions that need it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Role = Literal["root", "catalogue", "overlay", "policy"]
ROLES: Final[tuple[Role, ...]] = ("root", "catalogue", "overlay", "policy")
TYPE: Final = "application/vnd.aimscope.statement+json"
LONGEST_ENVELOPE: Final = 262_144
LARGEST_BODY: Final = 1 << 26
"""Bytes of a catalogue or policy."""
LARGEST_PARCEL: Final = 2 * LARGEST_BODY
_LARGEST: Final = (1 << 53) - 1

KeyId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of the raw public key: one key has one id, and so counts once."""
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Version = Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)]
Moment = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]


class Signature(msgspec.Struct, frozen=True):
    """One key's signature, base64."""

    keyid: KeyId
    sig: Annotated[str, msgspec.Meta(max_length=128)]


class Envelope(msgspec.Struct, frozen=True, rename={"payload_type": "payloadType"}):
    """DSSE's JSON form; ``payload`` is base64 of the bytes that are signed."""

    payload_type: Annotated[str, msgspec.Meta(max_length=128)]
    payload: Annotated[str, msgspec.Meta(max_length=LONGEST_ENVELOPE)]
    signatures: Annotated[tuple[Signature, ...], msgspec.Meta(min_length=1, max_length=32)]


class Keepers(msgspec.Struct, frozen=True):
    """Whose word counts for a role, and how many of them it takes."""

    keys: Annotated[tuple[KeyId, ...], msgspec.Meta(min_length=1, max_length=16)]
    threshold: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1


class Statement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was signed. ``keys`` and ``roles`` are a root's, ``sha256`` and ``length`` everybody else's."""

    role: Role
    version: Version
    issued: Moment
    """Seconds since 1970 UTC."""
    expires: Moment
    """From here on it is not accepted as new; what is in force stays in force and counts as stale."""
    sha256: Hash | Literal[""] = ""
    length: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_BODY)] = 0
    keys: Annotated[dict[KeyId, Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=64)] = {}
    """Raw public keys, base64."""
    roles: dict[Role, Keepers] = {}


class Accepted(msgspec.Struct, frozen=True):
    """The statement may be put in force, once its body fits."""

    statement: Statement


class Refused(msgspec.Struct, frozen=True):
    """Why not, as a stable word and as a sentence for people."""

    why: Literal["malformed", "signatures", "role", "rollback", "expired", "body"]
    reason: str


class Parcel(msgspec.Struct, frozen=True, omit_defaults=True):
    """A signed feed as one file, for machines that no collector reaches. ``roots`` lead up to its root, in order."""

    name: Role
    envelope: str
    body: bytes = b""
    roots: Annotated[tuple[str, ...], msgspec.Meta(max_length=64)] = ()


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: type and payload, each with its length."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def key_id(public: bytes) -> str:
    """The id of a raw public key."""
    return hashlib.sha256(public).hexdigest()


def public_of(key: Ed25519PrivateKey) -> bytes:
    """The raw public key, 32 bytes."""
    return key.public_key().public_bytes_raw()


def vouch(role: Role, body: bytes, *, version: int, issued: int, expires: int) -> Statement:
    """The statement about a body, to be signed."""
    digest = hashlib.sha256(body).hexdigest()
    return Statement(role=role, version=version, issued=issued, expires=expires, sha256=digest, length=len(body))


def root(
    publics: Iterable[bytes], roles: Mapping[Role, Keepers], *, version: int, issued: int, expires: int
) -> Statement:
    """A root of trust, to be signed by its own keys and, if it replaces another, by that one's."""
    keys = {key_id(public): base64.b64encode(public).decode() for public in publics}
    return Statement(role="root", version=version, issued=issued, expires=expires, keys=keys, roles=dict(roles))


def sign(statement: Statement, keys: Iterable[Ed25519PrivateKey]) -> str:
    """The envelope, as text."""
    payload = msgspec.json.encode(statement, order="deterministic")
    signed = pre_authentication(TYPE, payload)
    signatures = tuple(Signature(key_id(public_of(key)), base64.b64encode(key.sign(signed)).decode()) for key in keys)
    return msgspec.json.encode(Envelope(TYPE, base64.b64encode(payload).decode(), signatures)).decode()


def verify(
    envelope: str | bytes,
    trusted: Statement,
    role: Role,
    *,
    now: int,
    highest_clock: int,
    known_version: int,
    known_sha256: str = "",
) -> Accepted | Refused:
    """Whether what was received may replace version ``known_version`` (0: nothing yet) of ``role``.

    ``trusted`` is the root in force. ``highest_clock`` is the latest moment this machine has ever seen: setting the
    clock back brings nothing back to life. The same version is accepted once more only with the same ``known_sha256``.
    """
    read = _read(envelope)
    if isinstance(read, Refused):
        return read
    payload, signers = read
    if not _enough(signers, payload, trusted, role):
        return Refused("signatures", f"too few valid signatures of those who may speak for {role}")
    statement = _statement(payload, role)
    if isinstance(statement, Refused):
        return statement
    if role == "root":
        flaw = _unsound(statement)
        if flaw:
            return Refused("malformed", flaw)
        if not _enough(signers, payload, statement, "root"):
            return Refused("signatures", "too few of the new root's own keys have signed it")
    if statement.version < known_version:
        return Refused("rollback", f"version {statement.version} is older than version {known_version}, in force here")
    if statement.version == known_version and (role == "root" or statement.sha256 != known_sha256):
        return Refused("rollback", f"version {statement.version} is in force already")
    late = _expired(statement, now=now, highest_clock=highest_clock)
    if late is not None:
        return late
    if role != "root" and _expired(trusted, now=now, highest_clock=highest_clock) is not None:
        return Refused("expired", "the root of trust has expired: a new root is needed first")
    return Accepted(statement)


def first_root(envelope: str | bytes, *, now: int, highest_clock: int, fingerprint: str = "") -> Accepted | Refused:
    """A root that replaces none: signed by its own keys, and the one of the ``fingerprint`` where that is given."""
    read = _read(envelope)
    if isinstance(read, Refused):
        return read
    payload, signers = read
    if fingerprint and hashlib.sha256(payload).hexdigest() != fingerprint.lower():
        return Refused("signatures", "this is not the root of trust whose fingerprint is configured")
    statement = _statement(payload, "root")
    if isinstance(statement, Refused):
        return statement
    flaw = _unsound(statement)
    if flaw:
        return Refused("malformed", flaw)
    if not _enough(signers, payload, statement, "root"):
        return Refused("signatures", "too few of the root's own keys have signed it")
    return _expired(statement, now=now, highest_clock=highest_clock) or Accepted(statement)


def check_body(statement: Statement, body: bytes) -> Refused | None:
    """``None`` where the body is what the statement vouches for."""
    if len(body) != statement.length:
        return Refused("body", f"the {statement.role} has {len(body):,} bytes where {statement.length:,} were signed")
    if hashlib.sha256(body).hexdigest() != statement.sha256:
        return Refused("body", f"the {statement.role} is not the one that was signed")
    return None


def fingerprint_of(envelope: str | bytes) -> str:
    """SHA-256 of what an envelope carries, for comparing by eye. Raises ``ValueError``."""
    match _read(envelope):
        case Refused(reason=reason):
            raise ValueError(reason)
        case (payload, _):
            return hashlib.sha256(payload).hexdigest()


def _read(envelope: str | bytes) -> tuple[bytes, tuple[Signature, ...]] | Refused:
    if len(envelope) > LONGEST_ENVELOPE:
        return Refused("malformed", "the envelope is too long")
    try:
        opened = msgspec.json.decode(envelope, type=Envelope)
        payload = base64.b64decode(opened.payload, validate=True)
    except (msgspec.MsgspecError, binascii.Error, UnicodeError, RecursionError, ValueError):
        return Refused("malformed", "this is no signed envelope")
    if opened.payload_type != TYPE:
        return Refused("malformed", "the envelope holds something else")
    return payload, opened.signatures


def _enough(signatures: tuple[Signature, ...], payload: bytes, trusted: Statement, role: Role) -> bool:
    """Whether as many different keys of the role as it takes have signed."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - heavy, and needed once a month
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    keepers = trusted.roles.get(role)
    if keepers is None:
        return False
    signed = pre_authentication(TYPE, payload)
    valid: set[str] = set()
    for signature in signatures:
        if signature.keyid not in keepers.keys or signature.keyid in valid:
            continue
        try:
            public = base64.b64decode(trusted.keys[signature.keyid], validate=True)
            if key_id(public) != signature.keyid:
                continue
            Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(signature.sig, validate=True), signed)
        except (KeyError, ValueError, InvalidSignature):
            continue
        valid.add(signature.keyid)
    return len(valid) >= keepers.threshold


def _statement(payload: bytes, role: Role) -> Statement | Refused:
    try:
        statement = msgspec.json.decode(payload, type=Statement)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Refused("malformed", "what was signed is no statement this version understands")
    if statement.role != role:
        return Refused("role", f"this is signed as {statement.role}, not as {role}")
    if role != "root" and not statement.sha256:
        return Refused("malformed", "the statement names no body")
    return statement


def _unsound(statement: Statement) -> str:
    """Why a root could never be used; empty where it can."""
    if "root" not in statement.roles:
        return "the root does not say who may replace it"
    for role, keepers in statement.roles.items():
        usable = {key for key in keepers.keys if key in statement.keys}
        if len(usable) < keepers.threshold:
            return f"the root asks for more keys of {role} than it has"
    return ""


def _expired(statement: Statement, *, now: int, highest_clock: int) -> Refused | None:
    if max(now, highest_clock) < statement.expires:
        return None
    back = "" if now >= statement.expires else "; this machine's clock was set back"
    return Refused("expired", f"version {statement.version} of {statement.role} has expired{back}")
