"""Sessions of people with a browser: found by the hash of a secret that only the browser has; bounded, and they end.

A session is ``full``, or at the stage ``code``: the password was right, and the code of the second factor is still to
come. Logging in, a step further in it, another password and other roles give a new secret or end the session, so that
a secret that somebody planted before opens nothing (OWASP ASVS 7.2.4).
"""

from __future__ import annotations

import hmac
from typing import Annotated, Final, Literal

import msgspec
import sqlalchemy as sa

from aimscope_collector import accounts
from aimscope_collector.accounts import NotAllowed, Principal, Role
from aimscope_collector.store import audit, settings
from aimscope_collector.store.accounts import Account, get
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.people import SESSION

Stage = Literal["full", "code"]
SETTING: Final = "logins"
MOST: Final = 20
"""Sessions of one account; with one more the oldest ends."""
CODE_SECONDS: Final = 300
"""In which the code has to follow the password."""
STEP: Final = 1_000
_SLIDE: Final = 60
_ID: Final = 16


class Logins(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How people log in: when sessions end, and which roles need a second factor.

    A second factor is everybody's own choice to begin with: required from the start it would stop whoever tries the
    collector on one machine, without a phone at hand. Whoever runs a fleet requires it of admin and security.
    """

    idle_minutes: Annotated[int, msgspec.Meta(ge=5, le=720)] = 30
    """After so many minutes without a request a session ends."""
    hours: Annotated[int, msgspec.Meta(ge=1, le=168)] = 12
    """After so many hours it ends in any case."""
    code_roles: tuple[Role, ...] = ()
    """Local accounts with one of these roles set up a second factor before anything else."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A person who logged in with a browser; ``csrf`` has to come with every request that changes something."""

    id: str
    principal: Principal
    csrf: str
    stage: Stage
    expires_at: int
    last_used: int
    origin: str

    def permits(self, token: str) -> bool:
        """Whether a token is this session's own; takes as long for every wrong one."""
        return hmac.compare_digest(self.csrf.encode(), token.encode("utf-8", "replace"))


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A session as its owner sees it."""

    id: str
    created_at: int
    last_used: int
    expires_at: int
    client: str
    current: bool


def logins(connection: sa.Connection) -> Logins:
    """How people log in, as it is in force."""
    text = settings.read(connection, SETTING)
    return msgspec.json.decode(text, type=Logins) if text else Logins()


def set_logins(connection: sa.Connection, new: Logins, *, by: str, at: int) -> None:
    """Put other rules in force, at once also for sessions that are open."""
    text = msgspec.json.encode(new, order="sorted").decode()
    settings.write(connection, SETTING, text)
    audit.record(connection, at=at, actor=by, action="logins.changed", about=SETTING, facts={"logins": text})


def principal_of(account: Account, rules: Logins) -> Principal:
    """Who asks, when this account logged in itself: with a second factor still to be set up where rules need one."""
    needed = (
        account.origin == "local" and not account.second_factor and bool(set(rules.code_roles) & set(account.roles))
    )
    return msgspec.structs.replace(account.principal(), must_enrol=needed)


def open_session(
    connection: sa.Connection,
    account: Account,
    *,
    secret: str,
    csrf: str,
    now: int,
    stage: Stage = "full",
    client: str = "",
) -> None:
    """Keep a session of somebody who has just logged in; ``secret`` and ``csrf`` are random, 256 bits each."""
    seconds = CODE_SECONDS if stage == "code" else logins(connection).hours * 3_600
    newest = sa.select(SESSION.c.hash).where(SESSION.c.account == account.id)
    kept = newest.order_by(SESSION.c.created_at.desc(), SESSION.c.hash).limit(MOST - 1).scalar_subquery()
    connection.execute(SESSION.delete().where(SESSION.c.account == account.id, SESSION.c.hash.not_in(kept)))
    connection.execute(
        SESSION.insert().values(
            hash=accounts.secret_hash(secret),
            account=account.id,
            created_at=now,
            expires_at=now + seconds,
            last_used=now,
            csrf=csrf,
            stage=stage,
            client=client,
        )
    )


def by_secret(connection: sa.Connection, secret: str, *, now: int) -> Session | None:
    """The session; ``None`` where it is unknown, ended or idle, or its account is out."""
    row = connection.execute(sa.select(SESSION).where(SESSION.c.hash == accounts.secret_hash(secret))).first()
    if row is None or row.expires_at <= now:
        return None
    rules = logins(connection)
    if row.last_used + rules.idle_minutes * 60 <= now or row.created_at + rules.hours * 3_600 <= now:
        return None
    owner = get(connection, row.account)
    if owner is None or owner.disabled_at is not None:
        return None
    return Session(
        id=row.hash[:_ID],
        principal=principal_of(owner, rules),
        csrf=row.csrf,
        stage=row.stage,
        expires_at=row.expires_at,
        last_used=row.last_used,
        origin=owner.origin,
    )


def due(session: Session, now: int) -> bool:
    """Whether it is time to keep that a session is in use: once a minute, not for each request."""
    return now - session.last_used >= _SLIDE


def slide(connection: sa.Connection, secret: str, *, now: int) -> None:
    """Keep that a session is not idle."""
    mine = SESSION.c.hash == accounts.secret_hash(secret)
    connection.execute(SESSION.update().where(mine, SESSION.c.last_used < now).values(last_used=now))


def end(connection: sa.Connection, secret: str, *, by: str, at: int) -> None:
    """Log out. Nothing where there is no such session any more."""
    ended = connection.execute(SESSION.delete().where(SESSION.c.hash == accounts.secret_hash(secret)))
    if ended.rowcount:
        audit.record(connection, at=at, actor=by, action="logout", about=by, facts={})


def replaced(connection: sa.Connection, secret: str) -> None:
    """A session is over, for another follows in the same browser."""
    connection.execute(SESSION.delete().where(SESSION.c.hash == accounts.secret_hash(secret)))


def end_listed(connection: sa.Connection, *, account: int, session: str, by: str, at: int) -> None:
    """End one session of an account, by the id it is listed under. Raises ``NotAllowed`` where there is none."""
    if len(session) != _ID or not session.isalnum():
        raise NotAllowed("There is no such session: look for it in the list.")
    mine = SESSION.c.hash.startswith(session, autoescape=True)
    ended = connection.execute(SESSION.delete().where(SESSION.c.account == account, mine))
    if not ended.rowcount:
        raise NotAllowed("There is no such session, or it has ended already.")
    audit.record(connection, at=at, actor=by, action="session.ended", about=by, facts={"sessions": ended.rowcount})


def end_all(connection: sa.Connection, *, account: int, by: str, at: int, keep: str = "") -> int:
    """End every session of an account but the one with the secret ``keep``. Returns how many."""
    others = SESSION.c.hash != (accounts.secret_hash(keep) if keep else "")
    ended = connection.execute(SESSION.delete().where(SESSION.c.account == account, others)).rowcount
    owner = get(connection, account)
    if ended and owner is not None:
        facts = {"sessions": ended}
        audit.record(connection, at=at, actor=by, action="session.ended", about=owner.name, facts=facts)
    return ended


def listed(connection: sa.Connection, *, account: int, now: int, current: str = "") -> list[Listed]:
    """Sessions of an account that are open, the newest first; ``current`` is the id of the one that asks."""
    idle = now - logins(connection).idle_minutes * 60
    query = (
        sa.select(SESSION)
        .where(SESSION.c.account == account, SESSION.c.stage == "full")
        .where(SESSION.c.expires_at > now, SESSION.c.last_used > idle)
        .order_by(SESSION.c.created_at.desc(), SESSION.c.hash)
        .limit(MOST)
    )
    return [
        Listed(
            id=row.hash[:_ID],
            created_at=row.created_at,
            last_used=row.last_used,
            expires_at=row.expires_at,
            client=row.client,
            current=row.hash[:_ID] == current,
        )
        for row in connection.execute(query)
    ]


def sweep(engine: sa.Engine, *, now: int) -> int:
    """Remove all that is over, in steps short enough that nobody waits for them. Returns how many went."""
    gone = 0
    while True:
        with writing(engine) as connection:
            step = expire(connection, now=now, limit=STEP)
        gone += step
        if step < STEP:
            return gone


def expire(connection: sa.Connection, *, now: int, limit: int = STEP) -> int:
    """Remove sessions that are over, at most ``limit``. Returns how many went."""
    idle = now - logins(connection).idle_minutes * 60
    over = (SESSION.c.expires_at <= now) | (SESSION.c.last_used <= idle)
    some = sa.select(SESSION.c.hash).where(over).limit(limit).scalar_subquery()
    return connection.execute(SESSION.delete().where(SESSION.c.hash.in_(some))).rowcount
