"""Keys, roots and feeds that tests sign."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.agent.reporting import NOW

from aimscope_signatures import signed
from aimscope_signatures.signed import Keepers, Role

YEAR = 31_536_000
KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(1, 7)]
OFFICE, UPSTREAM, OWN, NEXT = KEYS[:2], KEYS[2], KEYS[3], KEYS[4:]
SIGNER: dict[Role, Ed25519PrivateKey] = {"catalogue": UPSTREAM, "overlay": OWN, "policy": OWN}


def root(
    version: int = 1,
    office: Sequence[Ed25519PrivateKey] = OFFICE,
    signers: Sequence[Ed25519PrivateKey] | None = None,
    own: Ed25519PrivateKey = OWN,
) -> str:
    roles: dict[Role, Keepers] = {
        "root": Keepers(_ids(office), 2),
        "catalogue": Keepers(_ids([UPSTREAM])),
        "overlay": Keepers(_ids([own])),
        "policy": Keepers(_ids([own])),
    }
    publics = [signed.public_of(key) for key in (*office, UPSTREAM, own)]
    statement = signed.root(publics, roles, version=version, issued=NOW, expires=NOW + 5 * YEAR)
    return signed.sign(statement, office if signers is None else signers)


def feed(role: Role, version: int, body: bytes, expires: int = NOW + YEAR, key: Ed25519PrivateKey | None = None) -> str:
    statement = signed.vouch(role, body, version=version, issued=NOW, expires=expires)
    return signed.sign(statement, [key or SIGNER[role]])


def _ids(keys: Sequence[Ed25519PrivateKey]) -> tuple[str, ...]:
    return tuple(signed.key_id(signed.public_of(key)) for key in keys)
