"""The fleet: agents and how they do, devices, enrolment tokens, units."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import anyio.to_thread
from litestar import Response, get, post
from litestar.params import QueryParameter
from litestar.response import Redirect

from aimscope_collector.http.api import agents as api
from aimscope_collector.http.api import assets as devices_api
from aimscope_collector.http.api import coverage as coverage_api
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.forms import Form
from aimscope_collector.http.frame.shown import go
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Cursor, Name

_ROWS: Final = 100
_RUNS: Final = 10
_SILENT: Final = 86_400
State = Literal["working", "waiting", "silent", "revoked"]
Source = Literal["agent", "gateway", "import"]


def health(agent: api.Agent, now: int) -> str:
    """One word for how an agent does, the gravest first."""
    if agent.revoked_at is not None:
        return "revoked"
    if agent.approved_at is None:
        return "waiting"
    if agent.clone_at is not None:
        return "cloned"
    return "silent" if agent.last_seen < now - _SILENT else "healthy"


@get("/fleet", opt={"needs": "agents:read"}, sync_to_thread=True)
def fleet(
    given: Here,
    who: Who,
    frame: shown.Here,
    unit: Name = None,
    state_: Annotated[State | Literal[""] | None, QueryParameter(name="state")] = None,
    cursor: Cursor = None,
) -> Response[str]:
    """Agents."""
    found: api.Agents = ask(
        api.list_agents, given, who, unit=unit or None, state_=state_ or None, limit=_ROWS, cursor=cursor
    )
    units: devices_api.Units = ask(devices_api.list_units, given, who)
    return frame.show(
        "fleet/agents.html",
        agents=[(agent, health(agent, given.now())) for agent in found.items],
        next=found.next,
        units=[(one.path, one.path) for one in units.items],
    )


@get("/fleet/agents/{agent:str}", opt={"needs": "agents:read"}, sync_to_thread=True)
def agent(given: Here, who: Who, frame: shown.Here, agent: api.Uid) -> Response[str]:
    """One agent, and its last scans."""
    one: api.Agent = ask(api.show_agent, given, who, agent=agent)
    runs: coverage_api.Runs | None = None
    if frame.may("coverage:read"):
        runs = ask(coverage_api.list_runs, given, who, agent=agent, limit=_RUNS)
    return frame.show("fleet/agent.html", agent=one, health=health(one, given.now()), runs=runs.items if runs else [])


@post("/fleet/agents/{agent:str}/approve", opt={"needs": "agents:write"}, sync_to_thread=True)
def approve(given: Here, who: Who, agent: api.Uid) -> Redirect:
    """Let an agent in that waits."""
    ask(api.approve_agent, given, who, agent=agent)
    return go(f"/fleet/agents/{agent}", done="approved")


@post("/fleet/agents/{agent:str}/revoke", opt={"needs": "agents:write"}, sync_to_thread=True)
def revoke(given: Here, who: Who, agent: api.Uid, form: Form) -> Redirect:
    """Let an agent report no more."""
    ask(api.revoke_agent, given, who, agent=agent, data=form.into(api.Why, "reason"))
    return go(f"/fleet/agents/{agent}", done="revoked")


@get("/fleet/devices", opt={"needs": "agents:read"}, sync_to_thread=True)
def devices(
    given: Here,
    who: Who,
    frame: shown.Here,
    unit: Name = None,
    managed: Annotated[Literal["true", "false", ""] | None, QueryParameter()] = None,
    source: Annotated[Source | Literal[""] | None, QueryParameter()] = None,
    names: Annotated[bool, QueryParameter()] = False,
    cursor: Cursor = None,
) -> Response[str]:
    """Devices, also those that nobody manages."""
    found: devices_api.Assets = ask(
        devices_api.list_assets,
        given,
        who,
        unit=unit or None,
        managed=None if not managed else managed == "true",
        source=source or None,
        names=names,
        limit=_ROWS,
        cursor=cursor,
    )
    units: devices_api.Units = ask(devices_api.list_units, given, who)
    return frame.show(
        "fleet/devices.html",
        devices=found.items,
        next=found.next,
        units=[(one.path, one.path) for one in units.items],
        names=names,
    )


@post("/fleet/devices", opt={"needs": "agents:write"})
async def import_devices(given: Here, who: Who, frame: shown.Here, form: Form) -> Response[Any]:
    """Import the list of devices: the denominator of coverage."""
    sent = await form.file("list")
    done = await anyio.to_thread.run_sync(devices_api.imported, given, who, sent[1] if sent else b"")
    return frame.show("fleet/imported.html", done=done)


@post("/fleet/devices/move", opt={"needs": "agents:write"}, sync_to_thread=True)
def move(given: Here, who: Who, form: Form) -> Redirect:
    """Put devices into a unit; without one, back where rules put them."""
    data = form.into(devices_api.Move, devices=form.all("device"), unit=form.text("to") or None)
    moved: devices_api.Moved = ask(devices_api.move_assets, given, who, data=data)
    return go("/fleet/devices", done="moved", n=moved.devices)


ROUTES: Final = (fleet, agent, approve, revoke, devices, import_devices, move)
