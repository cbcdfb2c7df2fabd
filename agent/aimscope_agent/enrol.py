"""Enrolment: this machine makes itself known to a collector, once, with a token somebody gave it.

The identity is drawn and kept before anybody is told of it. Whoever is killed half-way, or hears no answer, asks again
with the same identity and gets the same answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from aimscope_agent import identity as identities
from aimscope_agent.identity import Identity, Random
from aimscope_agent.ledger import retire
from aimscope_agent.ledger.sent import SentLog
from aimscope_agent.trust import Trust
from aimscope_agent.uplink.transport import Answer, Transport, Unreachable
from aimscope_signatures import wire
from aimscope_signatures.signed import Refused

ENROL: Final = "/v1/enrol"
_ENDED: Final = frozenset({"revoked", "replaced", "identity-taken"})
"""The collector knows the identity, and takes nothing of it."""


class EnrolError(Exception):
    """Enrolment came to nothing; the text says why and what to do."""

    def __init__(self, text: str, *, retry_after: int | None = None, passing: bool = False) -> None:
        super().__init__(text)
        self.passing = passing
        """It may be tried again as it is, after ``retry_after`` seconds where the collector said so."""
        self.retry_after = retry_after


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What an enrolment says of this machine."""

    digest: str
    """See ``identity.machine_digest``."""
    name: str
    platform: str = ""
    version: str = ""
    addresses: tuple[str, ...] = ()
    device_id: str = ""


class Enrolment(msgspec.Struct, frozen=True):
    """The identity to go on with. Until somebody ``approved`` it, check-ins are answered and nothing more."""

    identity: Identity
    approved: bool
    anew: bool
    """It is another identity than the one that was kept before: totals kept until now belong to that one, see
    ``ledger.retire``."""


def identity_for(path: Path, machine: str, collector: str, random: Random) -> tuple[Identity, bool]:
    """The identity to enrol with, kept on disk; and whether it takes the place of another.

    Another is drawn where none is kept, or where the one that is belongs to another machine (a copied disk, a golden
    image) or another collector. Raises ``IdentityError``.
    """
    known = identities.load(path)
    if known is not None and known.machine == machine and known.collector == collector:
        return known, known.anew
    return _another(path, machine, collector, random, anew=known is not None), known is not None


def _another(path: Path, machine: str, collector: str, random: Random, *, anew: bool) -> Identity:
    fresh = msgspec.structs.replace(identities.draw(machine, collector, random), anew=anew)
    identities.keep(path, fresh)
    return fresh


def set_aside(ledger: Path, path: Path, now: int) -> None:
    """Set the totals of the identity before this one aside. Raises ``OSError`` and ``IdentityError``."""
    if ledger.exists():
        retire(ledger, now)
    known = identities.load(path)
    if known is not None and known.anew:
        identities.keep(path, msgspec.structs.replace(known, anew=False))


def is_copy(identity: Identity, machine: str) -> bool:
    """The identity was drawn on another machine: it must not be used here."""
    return identity.machine != machine


def enrol(
    transport: Transport,
    path: Path,
    trust: Trust,
    *,
    token: str,
    collector: str,
    machine: Machine,
    now: int,
    random: Random,
    sent: SentLog,
    fingerprint: str = "",
    again: bool = False,
) -> Enrolment:
    """Enrol this machine at the collector. Raises ``EnrolError``, ``IdentityError``, ``TrustError``, ``ServerError``.

    ``fingerprint`` is that of the root of trust, where the organisation has made it known beforehand. With ``again``,
    which is a person's to say, an identity that the collector wants nothing more of gives way to another one.
    """
    identity, anew = identity_for(path, machine.digest, collector, random)
    request = wire.Enrol(
        schema=wire.SCHEMA,
        token=token,
        agent=identity.uid,
        secret=identities.secret_hash(identity.secret),
        machine=machine.digest,
        name=machine.name[: wire.LONGEST_NAME],
        platform=machine.platform[: wire.LONGEST_NAME],
        version=machine.version[: wire.LONGEST_NAME],
        addresses=tuple(address[: wire.LONGEST_NAME] for address in machine.addresses[:64]),
        device_id=machine.device_id[: wire.LONGEST_NAME],
    )
    sent.add(now, ENROL, msgspec.json.encode(msgspec.structs.replace(request, token="…")))  # noqa: S106 - hidden
    try:
        answer = transport.ask("POST", ENROL, body=msgspec.json.encode(request))
    except Unreachable as error:
        raise EnrolError(f"{collector}: {error}", passing=True) from None
    if again and _problem(answer) in _ENDED:
        _another(path, machine.digest, collector, random, anew=True)
        return enrol(
            transport,
            path,
            trust,
            token=token,
            collector=collector,
            machine=machine,
            now=now,
            random=random,
            sent=sent,
            fingerprint=fingerprint,
        )
    if not 200 <= answer.status < 300:
        raise _refusal(answer, collector)
    try:
        enrolled = msgspec.json.decode(answer.body, type=wire.Enrolled)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise EnrolError(f"what answers at {collector} is no collector of aimscope") from None
    if enrolled.agent != identity.uid:
        raise EnrolError(f"{collector} answered for another agent")
    if enrolled.root:
        result = trust.begin(enrolled.root, now, fingerprint=fingerprint)
        if isinstance(result, Refused) and result.why != "rollback":
            raise EnrolError(f"the collector's root of trust was refused: {result.reason}")
    elif fingerprint and trust.root is None:
        raise EnrolError("the collector gave no root of trust, and one is required here")
    identity = msgspec.structs.replace(
        identity, enrolled_at=identity.enrolled_at or max(now, 1), approved=enrolled.approved
    )
    identities.keep(path, identity)
    return Enrolment(identity, enrolled.approved, anew)


def _problem(answer: Answer) -> str:
    """The collector's word for what is wrong; empty where it gives none."""
    if 200 <= answer.status < 300:
        return ""
    try:
        return msgspec.json.decode(answer.body, type=wire.Problem).type.rpartition("/")[2].rpartition(":")[2]
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""


def _refusal(answer: Answer, collector: str) -> EnrolError:
    try:
        problem = msgspec.json.decode(answer.body, type=wire.Problem)
        told = f"{problem.title}{problem.detail and f': {problem.detail}'}"
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        told = f"it answered {answer.status}"
    passing = answer.status in {408, 425, 429} or answer.status >= 500
    return EnrolError(f"{collector}: {told[:300]}", retry_after=answer.retry_after, passing=passing)
