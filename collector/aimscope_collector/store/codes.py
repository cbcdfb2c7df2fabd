"""The second factor: time-based one-time codes (RFC 6238), each taken once, and recovery codes for a lost phone.

The secret is sealed with a key that is kept in the collector's folder, not in the database: a copy of the database
makes no codes. What is sealed names its account, so that a row moved to another account opens nothing.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from typing import Any, Final

import msgspec
import pyotp
import sqlalchemy as sa
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from aimscope_collector import accounts
from aimscope_collector.accounts import NotAllowed
from aimscope_collector.keys import KeysError
from aimscope_collector.store import audit
from aimscope_collector.store.accounts import BREAK_GLASS, Account, Denied, get
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.people import ACCOUNT, RECOVERY_CODE, SESSION

STEP: Final = 30
"""Seconds for which one code holds."""
_DRIFT: Final = 1
"""Steps a phone's clock may be off, either way."""
RECOVERY: Final = 10
_ISSUER: Final = "aimscope"


class SecondFactor(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has: since when codes are asked for, and how many recovery codes are left."""

    since: int | None
    recovery_left: int


class Enrolment(msgspec.Struct, frozen=True):
    """Shown this once: the secret for typing, and the address that a phone's camera reads."""

    secret: str
    uri: str


def standing(connection: sa.Connection, account: int) -> SecondFactor:
    """What an account has."""
    since = connection.execute(sa.select(ACCOUNT.c.totp_at).where(ACCOUNT.c.id == account)).scalar_one_or_none()
    query = sa.select(sa.func.count()).select_from(RECOVERY_CODE).where(RECOVERY_CODE.c.account == account)
    return SecondFactor(since=since, recovery_left=int(connection.execute(query).scalar_one()))


def begin(connection: sa.Connection, *, account: int, box: SecretBox, randomness: Callable[[int], bytes]) -> Enrolment:
    """A new secret, which counts once a code of it was confirmed. Raises ``NotAllowed``."""
    owner = _local(connection, account)
    if owner.second_factor:
        raise NotAllowed("A second factor is set up already: remove it before you set up another.")
    secret = base64.b32encode(randomness(20)).decode()  # 160 bits, as RFC 4226 (section 4, R6) recommends
    sealed = box.encrypt(f"{account}:{secret}".encode(), randomness(SecretBox.NONCE_SIZE))
    text = base64.b64encode(sealed).decode()
    connection.execute(ACCOUNT.update().where(ACCOUNT.c.id == account).values(totp=text, totp_step=None))
    uri = pyotp.TOTP(secret).provisioning_uri(name=owner.name, issuer_name=_ISSUER)
    return Enrolment(secret, uri)


def confirm(
    engine: sa.Engine, *, account: int, code: str, box: SecretBox, now: int, randomness: Callable[[int], bytes]
) -> tuple[str, ...]:
    """The first code is right: from now on one is asked for. Returns the recovery codes, shown this once.

    Raises ``NotAllowed`` where nothing was begun, ``Denied`` for a wrong code.
    """
    with writing(engine) as connection:
        owner = _local(connection, account)
        row = _row(connection, account)
        if owner.second_factor or row is None or row.totp is None:
            raise NotAllowed("There is no second factor to confirm: begin to set it up.")
        taken = _taken(connection, row, code, box, now)
        if taken:
            connection.execute(ACCOUNT.update().where(ACCOUNT.c.id == account).values(totp_at=now))
            made = _recovery(connection, account, randomness)
            audit.record(connection, at=now, actor=owner.name, action="code.set-up", about=owner.name, facts={})
            return made
    raise Denied


def check(
    engine: sa.Engine, *, account: int, code: str, box: SecretBox, now: int, login: bool = True, rescue: bool = False
) -> Account:
    """The account, if the code is right and was not taken before, or is a recovery code. Raises ``Denied``.

    Wrong codes count towards the account's lock as wrong passwords do. ``rescue``: see ``accounts.log_in``.
    """
    found: Account | None = None
    with writing(engine) as connection:
        row = _row(connection, account)
        if row is None or row.disabled_at is not None or row.totp_at is None:
            raise Denied
        wait = row.locked_until - now
        how = "" if wait > 0 else _passed(connection, row, code, box, now)
        if how:
            connection.execute(ACCOUNT.update().where(ACCOUNT.c.id == account).values(failures=0, locked_until=0))
            action = "login.done" if login else "code.given"
            audit.record(connection, at=now, actor=row.name, action=action, about=row.name, facts={"how": how})
            if login and rescue:
                audit.record(connection, at=now, actor=row.name, action=BREAK_GLASS, about=row.name, facts={})
            found = get(connection, account)
        elif wait <= 0:
            failures = row.failures + 1
            wait = accounts.locked_for(failures)
            values = {"failures": failures, "locked_until": now + wait if wait else 0}
            connection.execute(ACCOUNT.update().where(ACCOUNT.c.id == account).values(values))
            audit.record(connection, at=now, actor="", action="login.code-refused", about=row.name, facts={})
    if found is None:
        raise Denied(max(0, wait))
    return found


def renew(
    connection: sa.Connection, *, account: int, randomness: Callable[[int], bytes], by: str, at: int
) -> tuple[str, ...]:
    """Other recovery codes; the old ones open nothing any more. Call it after ``check``."""
    made = _recovery(connection, account, randomness)
    audit.record(connection, at=at, actor=by, action="code.recovery-renewed", about=by, facts={})
    return made


def remove(connection: sa.Connection, *, account: int, by: str, at: int) -> None:
    """No code is asked for any more; ends all sessions. By its owner after ``check``, or by who changes accounts."""
    owner = get(connection, account)
    if owner is None or not owner.second_factor:
        raise NotAllowed("This account has no second factor.")
    values = {"totp": None, "totp_at": None, "totp_step": None}
    connection.execute(ACCOUNT.update().where(ACCOUNT.c.id == account).values(values))
    connection.execute(RECOVERY_CODE.delete().where(RECOVERY_CODE.c.account == account))
    connection.execute(SESSION.delete().where(SESSION.c.account == account))
    audit.record(connection, at=at, actor=by, action="code.removed", about=owner.name, facts={})


def _local(connection: sa.Connection, account: int) -> Account:
    owner = get(connection, account)
    if owner is None or owner.origin != "local":
        raise NotAllowed("Who logs in elsewhere sets up a second factor there.")
    return owner


def _row(connection: sa.Connection, account: int) -> sa.Row[Any] | None:
    return connection.execute(sa.select(ACCOUNT).where(ACCOUNT.c.id == account).with_for_update()).first()


def _passed(connection: sa.Connection, row: sa.Row[Any], code: str, box: SecretBox, now: int) -> str:
    """How: ``code`` or ``recovery``; empty where it is neither."""
    if _taken(connection, row, code, box, now):
        return "code"
    spent = RECOVERY_CODE.delete().where(
        RECOVERY_CODE.c.account == row.id, RECOVERY_CODE.c.hash == accounts.secret_hash(_plain(code))
    )
    return "recovery" if connection.execute(spent).rowcount else ""


def _taken(connection: sa.Connection, row: sa.Row[Any], code: str, box: SecretBox, now: int) -> bool:
    step = matching_step(_opened(row, box), code, now=now, after=-1 if row.totp_step is None else row.totp_step)
    if step is None:
        return False
    connection.execute(ACCOUNT.update().where(ACCOUNT.c.id == row.id).values(totp_step=step))
    return True


def matching_step(secret: str, code: str, *, now: int, after: int) -> int | None:
    """The step whose code it is, of those near ``now`` and later than ``after``; ``None`` for a wrong or used code."""
    said = "".join(code.split())
    found = None
    made = pyotp.TOTP(secret)
    for step in range(now // STEP - _DRIFT, now // STEP + _DRIFT + 1):
        same = hmac.compare_digest(made.generate_otp(step).encode(), said.encode("utf-8", "replace"))
        if same and step > after and step >= 0:
            found = step
    return found


def _opened(row: sa.Row[Any], box: SecretBox) -> str:
    try:
        account, _, secret = box.decrypt(base64.b64decode(row.totp)).decode().partition(":")
    except (CryptoError, ValueError, TypeError):
        raise KeysError("the second factor was sealed with another key than this folder's: restore that key") from None
    if account != str(row.id):
        raise KeysError("the second factor belongs to another account: reset it")
    return secret


def _recovery(connection: sa.Connection, account: int, randomness: Callable[[int], bytes]) -> tuple[str, ...]:
    """New recovery codes of 80 bits each: random enough that a plain hash keeps them."""
    made = tuple(base64.b32encode(randomness(10)).decode().lower() for _ in range(RECOVERY))
    connection.execute(RECOVERY_CODE.delete().where(RECOVERY_CODE.c.account == account))
    rows = [{"account": account, "hash": accounts.secret_hash(code)} for code in made]
    connection.execute(RECOVERY_CODE.insert(), rows)
    return tuple("-".join(code[start : start + 4] for start in range(0, 16, 4)) for code in made)


def _plain(code: str) -> str:
    """A recovery code as it was made: people leave out dashes, and write capitals."""
    return "".join(code.split()).replace("-", "").lower()[:64]
