from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from aimscope_signatures import signed
from aimscope_signatures.signed import Accepted, Envelope, Keepers, Refused, Role, Statement

NOW = 1_790_000_000
YEAR = 31_536_000
KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(1, 8)]
OFFICE, UPSTREAM, OWN, NEXT = KEYS[:3], KEYS[3], KEYS[4], KEYS[5:]


def ids(*keys: Ed25519PrivateKey) -> tuple[str, ...]:
    return tuple(signed.key_id(signed.public_of(key)) for key in keys)


def make_root(
    version: int = 1, office: Sequence[Ed25519PrivateKey] = OFFICE, expires: int = NOW + YEAR, threshold: int = 2
) -> Statement:
    roles: dict[Role, Keepers] = {
        "root": Keepers(ids(*office), threshold),
        "catalogue": Keepers(ids(UPSTREAM)),
        "overlay": Keepers(ids(OWN)),
        "policy": Keepers(ids(OWN)),
    }
    publics = [signed.public_of(key) for key in (*office, UPSTREAM, OWN)]
    return signed.root(publics, roles, version=version, issued=NOW, expires=expires)


ROOT = make_root()
BODY = b"the catalogue"


def offer(role: Role = "catalogue", version: int = 3, expires: int = NOW + YEAR) -> Statement:
    return signed.vouch(role, BODY, version=version, issued=NOW, expires=expires)


def judged(
    envelope: str | bytes,
    role: Role = "catalogue",
    *,
    root: Statement = ROOT,
    now: int = NOW,
    clock: int = NOW,
    known: int = 2,
    known_sha256: str = "",
) -> Accepted | Refused:
    return signed.verify(
        envelope, root, role, now=now, highest_clock=clock, known_version=known, known_sha256=known_sha256
    )


def why(result: Accepted | Refused) -> str:
    assert isinstance(result, Refused)
    assert result.reason
    return result.why


def test_what_the_right_key_signed_is_accepted() -> None:
    result = judged(signed.sign(offer(), [UPSTREAM]))
    assert isinstance(result, Accepted)
    assert result.statement == offer()
    assert signed.check_body(result.statement, BODY) is None


def test_a_body_of_another_length_or_content_is_refused() -> None:
    for body in (BODY + b"x", BODY[:-1], b"THE catalogue"):
        refused = signed.check_body(offer(), body)
        assert refused is not None
        assert refused.why == "body"


def test_the_organisation_cannot_speak_for_upstream_nor_upstream_for_it() -> None:
    assert why(judged(signed.sign(offer(), [OWN]))) == "signatures"
    assert why(judged(signed.sign(offer("policy"), [UPSTREAM]), "policy")) == "signatures"
    assert isinstance(judged(signed.sign(offer("policy"), [OWN]), "policy"), Accepted)


def test_an_overlay_does_not_pass_as_a_policy_of_the_same_key() -> None:
    assert why(judged(signed.sign(offer("overlay"), [OWN]), "policy")) == "role"


def test_older_versions_and_another_of_the_same_number_are_refused() -> None:
    assert why(judged(signed.sign(offer(version=1), [UPSTREAM]))) == "rollback"
    assert why(judged(signed.sign(offer(version=2), [UPSTREAM]))) == "rollback"
    same = signed.sign(offer(version=2), [UPSTREAM])
    assert isinstance(judged(same, known_sha256=offer().sha256), Accepted)


@pytest.mark.parametrize(("now", "clock"), [(NOW + YEAR, 0), (NOW, NOW + YEAR), (NOW - 10 * YEAR, NOW + YEAR)])
def test_what_has_expired_is_not_accepted_even_with_the_clock_set_back(now: int, clock: int) -> None:
    refused = judged(signed.sign(offer(), [UPSTREAM]), now=now, clock=clock)
    assert why(refused) == "expired"
    assert isinstance(refused, Refused)
    assert ("set back" in refused.reason) == (now < clock)


def test_an_expired_root_accepts_only_a_new_root() -> None:
    old = make_root(expires=NOW + 10)
    later = NOW + 20
    assert why(judged(signed.sign(offer(), [UPSTREAM]), root=old, now=later)) == "expired"
    fresh = signed.sign(make_root(2), OFFICE)
    assert isinstance(judged(fresh, "root", root=old, now=later, known=1), Accepted)


def test_one_key_counts_once() -> None:
    twice = signed.sign(make_root(2), [OFFICE[0], OFFICE[0]])
    assert why(judged(twice, "root", known=1)) == "signatures"
    renamed = make_root(2)
    alias = "0" * 64
    keys = {**renamed.keys, alias: renamed.keys[ids(OFFICE[0])[0]]}
    roles = {**renamed.roles, "root": Keepers((alias, ids(OFFICE[0])[0]), 2)}
    forged = msgspec.structs.replace(renamed, keys=keys, roles=roles)
    envelope = msgspec.json.decode(signed.sign(forged, [OFFICE[0], OFFICE[1]]), type=Envelope)
    first = envelope.signatures[0]
    both = msgspec.structs.replace(
        envelope, signatures=(*envelope.signatures, msgspec.structs.replace(first, keyid=alias))
    )
    assert why(judged(msgspec.json.encode(both), "root", known=1)) == "signatures"


def test_a_root_is_replaced_by_old_and_new_keys_together() -> None:
    new = make_root(2, NEXT)
    assert why(judged(signed.sign(new, NEXT), "root", known=1)) == "signatures"
    assert why(judged(signed.sign(new, OFFICE), "root", known=1)) == "signatures"
    assert why(judged(signed.sign(new, [OFFICE[0], *NEXT]), "root", known=1)) == "signatures"
    assert isinstance(judged(signed.sign(new, [*OFFICE[:2], *NEXT]), "root", known=1), Accepted)
    assert why(judged(signed.sign(make_root(1), OFFICE), "root", known=1)) == "rollback"


def test_a_root_nobody_could_use_is_refused() -> None:
    lame = make_root(2, OFFICE[:1])
    assert why(judged(signed.sign(lame, OFFICE), "root", known=1)) == "malformed"


def test_a_first_root_is_signed_by_itself_and_may_be_pinned() -> None:
    envelope = signed.sign(ROOT, OFFICE)
    pin = signed.fingerprint_of(envelope)
    assert signed.first_root(envelope, now=NOW, highest_clock=0, fingerprint=pin.upper()) == Accepted(ROOT)
    assert why(signed.first_root(envelope, now=NOW, highest_clock=0, fingerprint="0" * 64)) == "signatures"
    assert why(signed.first_root(signed.sign(ROOT, OFFICE[:1]), now=NOW, highest_clock=0)) == "signatures"
    assert why(signed.first_root(envelope, now=NOW + YEAR, highest_clock=0)) == "expired"


def test_bytes_of_another_type_do_not_pass() -> None:
    envelope = msgspec.json.decode(signed.sign(offer(), [UPSTREAM]), type=Envelope)
    other = msgspec.structs.replace(envelope, payload_type="application/json")
    assert why(judged(msgspec.json.encode(other))) == "malformed"


def test_the_pre_authentication_encoding_is_the_published_one() -> None:
    told = signed.pre_authentication("http://example.com/HelloWorld", b"hello world")
    assert told == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@given(st.data())
def test_any_change_of_payload_or_signature_is_refused(data: st.DataObject) -> None:
    envelope = msgspec.json.decode(signed.sign(offer(), [UPSTREAM]), type=Envelope)
    in_payload = data.draw(st.booleans())
    raw = bytearray(base64.b64decode(envelope.payload if in_payload else envelope.signatures[0].sig))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    text = base64.b64encode(raw).decode()
    if in_payload:
        changed = msgspec.structs.replace(envelope, payload=text)
    else:
        signature = msgspec.structs.replace(envelope.signatures[0], sig=text)
        changed = msgspec.structs.replace(envelope, signatures=(signature,))
    assert why(judged(msgspec.json.encode(changed))) == "signatures"


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_refused_quietly(noise: bytes) -> None:
    assert isinstance(judged(noise), Refused)
    assert isinstance(signed.first_root(noise, now=NOW, highest_clock=0), Refused)


def test_too_long_and_too_deep_is_refused() -> None:
    assert why(judged(b"[" * 200_000)) == "malformed"
    assert why(judged(b" " * (signed.LONGEST_ENVELOPE + 1))) == "malformed"
