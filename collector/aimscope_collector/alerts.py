"""What is worth telling somebody at once: pure rules over what was known before and what is known now.

Rules give candidates; ``choose`` holds back what was said lately and what is too much for one day.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal

import msgspec

from aimscope_collector.audit import Fact
from aimscope_collector.review import day_of

Rule = Literal[
    "new_service",
    "new_unit",
    "volume",
    "prohibited_use",
    "personal_account",
    "silent_agents",
    "coverage_loss",
    "evidence_explosion",
    "clone",
    "break_glass",
]
Severity = Literal["info", "warning", "critical"]
_DAY: Final = 86_400

RULES: Final[dict[Rule, str]] = {
    "new_service": "AI that was not seen before, anywhere.",
    "new_unit": "AI that is known, in a unit where it was not seen before.",
    "volume": "Much more was sent to it since the last look.",
    "prohibited_use": "Something prohibited is tried or used.",
    "personal_account": "It is used with an account that is not the organisation's.",
    "silent_agents": "Agents of a unit have not reported for long.",
    "coverage_loss": "A sensor looks at far fewer machines than the day before.",
    "evidence_explosion": "An agent names more different things than one agent may.",
    "clone": "Two machines use one agent's identity.",
    "break_glass": "An administrator logged in with a password, though people log in elsewhere.",
}
_SEVERITY: Final[dict[Rule, Severity]] = {
    "new_service": "info",
    "new_unit": "info",
    "volume": "warning",
    "prohibited_use": "critical",
    "personal_account": "warning",
    "silent_agents": "warning",
    "coverage_loss": "warning",
    "evidence_explosion": "warning",
    "clone": "critical",
    "break_glass": "critical",
}
_ORDER: Final[dict[Severity, int]] = {"critical": 0, "warning": 1, "info": 2}
_NAMED: Final = 10
_CAPPED: Final = "held-back:"


class AlertPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When to tell somebody, and how often. Times in seconds, volumes in bytes."""

    rules: frozenset[Rule] = frozenset(RULES)
    cooldown: Annotated[int, msgspec.Meta(ge=0, le=366 * _DAY)] = 7 * _DAY
    """How long nothing more is said about the same thing."""
    daily_cap: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 50
    """Alerts of one rule a day, UTC."""
    volume: Annotated[int, msgspec.Meta(ge=1)] = 100_000_000
    silent_after: Annotated[int, msgspec.Meta(ge=60)] = 2 * _DAY
    coverage_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.2
    """The part of a sensor's machines that has to be lost."""
    coverage_least: Annotated[int, msgspec.Meta(ge=1)] = 3


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell. ``key`` is what it is about: the same key is not told again within the cooldown."""

    rule: Rule
    key: str
    at: int
    severity: Severity
    text: str
    facts: dict[str, Fact]

    @property
    def event(self) -> str:
        """An id that is the same wherever it is computed: receivers drop what they have."""
        return "alert-" + hashlib.sha256(f"{self.rule}\n{self.key}\n{self.at}".encode()).hexdigest()[:32]

    def payload(self) -> dict[str, object]:
        """What is delivered."""
        said = msgspec.structs.asdict(self)
        return {"id": self.event, "type": "alert", **said}


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What alerts know of a finding: ``active`` is tried or used, ``last`` when it was last seen."""

    id: str
    service: str
    unit: str
    condition: str = ""
    name: str
    verdict: str
    state: str = "unreviewed"
    active: bool = False
    last: int | None = None
    bytes_out: int | None = None


class Reporter(msgspec.Struct, frozen=True):
    """What alerts know of an agent."""

    uid: str
    unit: str
    last_seen: int


def about_uses(
    before: Mapping[str, Use] | None, after: Iterable[Use], *, now: int, policy: AlertPolicy | None = None
) -> list[Alert]:
    """What findings give to tell. ``before`` is by id, and is everything known at the last look.

    ``None`` is the first look: it is silent about what is merely new, or it would tell the whole catalogue.
    """
    policy = policy or AlertPolicy()
    first, before = before is None, before or {}
    seen = [use for use in before.values() if use.verdict != "dormant"]
    services = {use.service or use.id for use in seen}
    units = {(use.service or use.id, use.unit) for use in seen}
    found: list[Alert] = []
    for use in sorted(after, key=_by_id):
        if use.state == "dismissed":
            continue
        known = before.get(use.id)
        thing = use.service or use.id
        where = f" in {use.unit}" if use.unit else ""
        facts: dict[str, Fact] = {"finding": use.id, "service": use.service, "unit": use.unit, "verdict": use.verdict}
        if not first and use.verdict != "dormant":
            if thing not in services:
                found.append(_alert("new_service", thing, now, f"{use.name} is new: first seen{where}.", facts))
                services.add(thing)
            elif use.unit and (thing, use.unit) not in units:
                found.append(_alert("new_unit", f"{thing}\n{use.unit}", now, f"{use.name} is new{where}.", facts))
            units.add((thing, use.unit))
        again = known is None or (use.last or 0) > (known.last or 0) or not known.active
        if "prohibited" in (use.verdict, use.state) and use.active and again:
            found.append(_alert("prohibited_use", use.id, now, f"{use.name} is prohibited, and used{where}.", facts))
        if use.condition.rpartition(": ")[2] == "personal_account" and known is None:
            text = f"{use.name} is used with an account that is not the organisation's{where}."
            found.append(_alert("personal_account", use.id, now, text, facts))
        more = (use.bytes_out or 0) - (known.bytes_out or 0 if known else use.bytes_out or 0)
        if more >= policy.volume and not use.condition:
            text = f"{more // 1_000_000:,} MB more were sent to {use.name}{where}."
            found.append(_alert("volume", use.id, now, text, facts | {"bytes_out": more}))
    return found


def silent_agents(agents: Iterable[Reporter], *, now: int, policy: AlertPolicy | None = None) -> list[Alert]:
    """One alert for each unit with agents that have not reported for long."""
    policy = policy or AlertPolicy()
    silent: dict[str, list[str]] = defaultdict(list)
    total: dict[str, int] = defaultdict(int)
    for agent in agents:
        total[agent.unit] += 1
        if agent.last_seen + policy.silent_after <= now:
            silent[agent.unit].append(agent.uid)
    found = []
    for unit, uids in sorted(silent.items()):
        hours = policy.silent_after // 3_600
        where = f" of {unit}" if unit else ""
        text = f"{len(uids):,} of {total[unit]:,} agents{where} have not reported for {hours} hours."
        facts: dict[str, Fact] = {"unit": unit, "silent": len(uids), "agents": total[unit]}
        found.append(_alert("silent_agents", unit, now, text, facts | {"some": ", ".join(sorted(uids)[:_NAMED])}))
    return found


def coverage_loss(
    before: Mapping[str, int], after: Mapping[str, int], *, now: int, policy: AlertPolicy | None = None
) -> list[Alert]:
    """For each sensor, the machines it had a complete look at on the day before and now."""
    policy = policy or AlertPolicy()
    found = []
    for sensor, then in sorted(before.items()):
        lost = then - after.get(sensor, 0)
        if lost >= policy.coverage_least and lost >= policy.coverage_share * then:
            text = f"Sensor {sensor} had a complete look at {then - lost:,} machines, and at {then:,} the day before."
            found.append(_alert("coverage_loss", sensor, now, text, {"sensor": sensor, "before": then, "lost": lost}))
    return found


def clone(agent: str, *, now: int) -> Alert:
    """Two machines use one identity."""
    text = f"Two machines use the identity of agent {agent}: revoke it, and enrol both anew."
    return _alert("clone", agent, now, text, {"agent": agent})


def break_glass(name: str, at: int, *, now: int) -> Alert:
    """An emergency login: each one is told, by its moment."""
    text = f"The account {name} logged in with a password, which is for emergencies: was there one?"
    return _alert("break_glass", f"{name} {at}", now, text, {"account": name, "login_at": at})


def explosion(agent: str, collapsed: int, *, now: int) -> Alert:
    """An agent's evidence is kept by service only."""
    text = f"Agent {agent} names more different things than one agent may: what is new is kept by service only."
    return _alert("evidence_explosion", agent, now, text, {"agent": agent, "collapsed": collapsed})


def _alert(rule: Rule, key: str, at: int, text: str, facts: dict[str, Fact]) -> Alert:
    return Alert(rule=rule, key=key, at=at, severity=_SEVERITY[rule], text=text, facts=facts)


def _by_id(use: Use) -> str:
    return use.id


def choose(
    candidates: Iterable[Alert],
    *,
    told: Mapping[tuple[str, str], int],
    today: Mapping[str, int],
    policy: AlertPolicy,
    now: int,
) -> list[Alert]:
    """Those to tell now: each key once in the cooldown, so many of a rule a day, the most severe first.

    ``told`` is when a rule last told of a key, ``today`` how many alerts of a rule there were this day. The day's cap
    is itself told, once.
    """
    said = dict(told)
    count = dict(today)
    chosen: list[Alert] = []
    for alert in sorted(candidates, key=_rank):
        if alert.rule not in policy.rules:
            continue
        last = said.get((alert.rule, alert.key))
        if last is not None and now - last < policy.cooldown:
            continue
        if count.get(alert.rule, 0) >= policy.daily_cap:
            capped = capped_key(now)
            if (alert.rule, capped) in said:
                continue
            text = f"More alerts of this kind are held back today: {RULES[alert.rule]}"
            alert = _alert(alert.rule, capped, now, text, {"cap": policy.daily_cap})  # noqa: PLW2901  # told instead
        said[(alert.rule, alert.key)] = now
        count[alert.rule] = count.get(alert.rule, 0) + 1
        chosen.append(alert)
    return chosen


def capped_key(now: int) -> str:
    """The key under which a day's cap is told."""
    return f"{_CAPPED}{day_of(now)}"


def _rank(alert: Alert) -> tuple[int, str, str]:
    return (_ORDER[alert.severity], alert.rule, alert.key)
