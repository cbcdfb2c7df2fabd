"""Agents: who reports, who waits to be let in, who may report no more; and the tokens they enrol with."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Final, Literal

import msgspec
import sqlalchemy as sa
from litestar import get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from aimscope_collector.http.api._findings import limited, within
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Cursor, Limit, Name, after, cut
from aimscope_collector.http.problems import Failed, not_found
from aimscope_collector.store import agents, units
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.fleet import AGENT, ASSET, UNIT

Uid = Annotated[str, PathParameter(max_length=128, pattern=r"^[A-Za-z0-9._:+-]+$")]
TokenId = Annotated[int, PathParameter(ge=1, le=1 << 53)]
Line = Annotated[str, msgspec.Meta(max_length=256)]
_SILENT: Final = 86_400


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent. ``device`` is a pseudonym; ``clock_skew`` is how many seconds its clock is ahead."""

    uid: str
    device: str
    unit: str
    platform: str
    version: str
    versions: dict[str, int]
    tags: tuple[str, ...]
    enrolled_at: int
    approved_at: int | None
    approved_by: str
    revoked_at: int | None
    revoked_why: str
    clone_at: int | None
    clock_skew: int
    pending: int
    notices: tuple[str, ...]
    policy_acknowledged: int
    last_seen: int
    token: int | None


class Agents(msgspec.Struct, frozen=True):
    """A page."""

    items: list[Agent]
    next: str | None


class Why(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reason."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


class NewToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an enrolment token allows."""

    uses: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    seconds: Annotated[int, msgspec.Meta(ge=60, le=31_536_000)] = 86_400
    unit: Line = ""
    tags: Annotated[tuple[Line, ...], msgspec.Meta(max_length=64)] = ()
    networks: Annotated[tuple[Line, ...], msgspec.Meta(max_length=256)] = ()
    devices: Annotated[tuple[Line, ...], msgspec.Meta(max_length=10_000)] = ()
    approval: bool = False
    note: Line = ""


class MadeToken(msgspec.Struct, frozen=True):
    """A new token: its text is shown this once."""

    id: int
    token: str


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token, without its text."""

    id: int
    unit: int | None
    tags: tuple[str, ...]
    uses: int
    used: int
    enrolled: int
    created_at: int
    expires_at: int
    networks: tuple[str, ...]
    devices: int
    approval: bool
    created_by: str
    revoked_at: int | None
    note: str


class Tokens(msgspec.Struct, frozen=True):
    """All tokens, the newest first."""

    items: list[Token]


class EndToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """With a reason in ``agents_too``, what it enrolled ends with it."""

    agents_too: Annotated[str, msgspec.Meta(max_length=1_000)] = ""


class Ended(msgspec.Struct, frozen=True):
    """How many agents were revoked."""

    agents: int


class Enrolled(msgspec.Struct, frozen=True):
    """Uids of agents."""

    agents: list[str]


_texts = msgspec.json.Decoder(tuple[str, ...]).decode


def _query() -> sa.Select[Any]:
    return sa.select(
        AGENT, ASSET.c.pseudonym.label("device"), sa.func.coalesce(UNIT.c.path, "").label("path")
    ).select_from(AGENT.join(ASSET, ASSET.c.id == AGENT.c.asset).outerjoin(UNIT, UNIT.c.id == ASSET.c.unit))


def _agent(row: sa.Row[Any]) -> Agent:
    return Agent(
        uid=row.uid,
        device=row.device,
        unit=row.path,
        platform=row.platform,
        version=row.version,
        versions=msgspec.json.decode(row.versions, type=dict[str, int]),
        tags=_texts(row.tags),
        enrolled_at=row.enrolled_at,
        approved_at=row.approved_at,
        approved_by=row.approved_by,
        revoked_at=row.revoked_at,
        revoked_why=row.revoked_why,
        clone_at=row.clone_at,
        clock_skew=row.clock_skew,
        pending=row.pending,
        notices=_texts(row.notices),
        policy_acknowledged=row.policy_acknowledged,
        last_seen=row.last_seen,
        token=row.token,
    )


@get("/agents", opt={"needs": "agents:read"}, sync_to_thread=True, tags=["agents"])
def list_agents(
    given: Here,
    who: Who,
    unit: Name = None,
    state_: Annotated[
        Literal["working", "waiting", "silent", "revoked"] | None,
        QueryParameter(name="state", description="`silent`: nothing for a day."),
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Agents:
    """Agents in the order in which they enrolled."""
    query = limited(_query(), who, UNIT.c.path)
    if unit:
        query = query.where(within(UNIT.c.path, [unit]))
    in_force = (AGENT.c.revoked_at.is_(None), AGENT.c.replaced_by.is_(None))
    match state_:
        case "waiting":
            query = query.where(*in_force, AGENT.c.approved_at.is_(None))
        case "working":
            query = query.where(*in_force, AGENT.c.approved_at.is_not(None))
        case "silent":
            query = query.where(*in_force, AGENT.c.last_seen < given.now() - _SILENT)
        case "revoked":
            query = query.where(AGENT.c.revoked_at.is_not(None))
    query = after(query, order="agents", by=AGENT.c.id, unique=AGENT.c.id, descending=False, cursor=cursor, limit=limit)
    with given.engine.connect() as connection:
        rows, more = cut(connection.execute(query).all(), limit, order="agents", by="id", unique="id")
    return Agents([_agent(row) for row in rows], more)


def _one(connection: sa.Connection, uid: str, who: Who) -> sa.Row[Any]:
    row = connection.execute(limited(_query().where(AGENT.c.uid == uid), who, UNIT.c.path)).first()
    if row is None:
        raise not_found("agent")
    return row


@get("/agents/{agent:str}", opt={"needs": "agents:read"}, sync_to_thread=True, tags=["agents"])
def show_agent(given: Here, who: Who, agent: Uid) -> Agent:
    """One agent."""
    with given.engine.connect() as connection:
        return _agent(_one(connection, agent, who))


@post("/agents/{agent:str}/approve", opt={"needs": "agents:write"}, sync_to_thread=True, tags=["agents"])
def approve_agent(given: Here, who: Who, agent: Uid) -> Agent:
    """Let an agent in that waits."""
    with writing(given.engine) as connection:
        _one(connection, agent, who)
        agents.approve(connection, agent, by=who.name, now=given.now())
        return _agent(_one(connection, agent, who))


@post("/agents/{agent:str}/revoke", opt={"needs": "agents:write"}, sync_to_thread=True, tags=["agents"])
def revoke_agent(given: Here, who: Who, agent: Uid, data: JSONBody[Why]) -> Agent:
    """Let an agent report no more: in force on every collector within a second."""
    with writing(given.engine) as connection:
        _one(connection, agent, who)
        agents.revoke(connection, agent, why=data.reason, by=who.name, now=given.now())
        return _agent(_one(connection, agent, who))


@get("/tokens", opt={"needs": "tokens:read"}, sync_to_thread=True, tags=["tokens"])
def list_tokens(given: Here, who: Who) -> Tokens:
    """Enrolment tokens, without their text."""
    with given.engine.connect() as connection:
        return Tokens([token_of(row) for row in _tokens(connection, who)])


def _tokens(connection: sa.Connection, who: Who) -> list[dict[str, Any]]:
    """Those within the asker's units."""
    paths = {unit.id: unit.path for unit in units.units(connection).values()} if who.units else {}
    return [row for row in agents.tokens(connection) if who.reaches(paths.get(row["unit"]))]


def _find(connection: sa.Connection, token: int, who: Who) -> None:
    if who.units and not any(row["id"] == token for row in _tokens(connection, who)):
        raise not_found("token")


def token_of(row: Any) -> Token:
    """A token as it is shown."""
    return Token(
        id=row["id"],
        unit=row["unit"],
        tags=_texts(row["tags"]),
        uses=row["uses"],
        used=row["used"],
        enrolled=row["enrolled"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        networks=_texts(row["networks"]),
        devices=len(_texts(row["devices"])),
        approval=bool(row["approval"]),
        created_by=row["created_by"],
        revoked_at=row["revoked_at"],
        note=row["note"],
    )


@post("/tokens", opt={"needs": "tokens:write"}, sync_to_thread=True, tags=["tokens"])
def create_token(given: Here, who: Who, data: JSONBody[NewToken]) -> MadeToken:
    """Make an enrolment token; its text is in this answer and nowhere else."""
    if not who.reaches(data.unit or None):
        raise Failed(403, "forbidden", "Your account makes tokens for its own units.")
    with writing(given.engine) as connection:
        number, text = agents.create_token(
            connection,
            draw=lambda: drawn_token(given.randomness(32)),
            by=who.name,
            now=given.now(),
            uses=data.uses,
            seconds=data.seconds,
            unit=data.unit,
            tags=data.tags,
            networks=data.networks,
            devices=data.devices,
            approval=data.approval,
            note=data.note,
        )
    return MadeToken(number, text)


def drawn_token(randomness: bytes) -> str:
    """A token's text."""
    return "et_" + base64.urlsafe_b64encode(randomness).decode().rstrip("=")


@post("/tokens/{token:int}/revoke", opt={"needs": "tokens:write"}, sync_to_thread=True, tags=["tokens"])
def revoke_token(given: Here, who: Who, token: TokenId, data: JSONBody[EndToken]) -> Ended:
    """End a token, and with a reason all it enrolled."""
    with writing(given.engine) as connection:
        _find(connection, token, who)
        ended = agents.revoke_token(connection, token, by=who.name, now=given.now(), agents_too=data.agents_too)
    return Ended(ended)


@get("/tokens/{token:int}/agents", opt={"needs": "tokens:read"}, sync_to_thread=True, tags=["tokens"])
def list_enrolled(given: Here, who: Who, token: TokenId) -> Enrolled:
    """What a token enrolled."""
    with given.engine.connect() as connection:
        _find(connection, token, who)
        return Enrolled(agents.enrolled_by(connection, token))


ROUTES: Final = (
    list_agents,
    show_agent,
    approve_agent,
    revoke_agent,
    list_tokens,
    create_token,
    revoke_token,
    list_enrolled,
)
