"""Units, people, machines: drawn from a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Final

from aimscope_collector.simulate import tools as populations
from aimscope_collector.simulate.plan import DAY, Fact, Fleet, Machine, Plan, Tool
from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.matcher import Matcher

_UNITS: Final = {
    "emea/sales": (0.22, 1.0),
    "emea/finance": (0.12, 0.5),
    "emea/research": (0.12, 1.8),
    "amer/engineering": (0.2, 2.2),
    "amer/support": (0.16, 0.9),
    "apac/operations": (0.1, 0.6),
    "apac/design": (0.08, 1.5),
}
"""Share of machines, inclination to AI."""
_GIVEN: Final = ("ana", "ben", "chen", "dara", "eva", "femi", "gita", "hugo", "ines", "jon", "kaya", "liam", "mina")
_FAMILY: Final = ("abel", "bauer", "costa", "duran", "ek", "fabre", "gomez", "hall", "ito", "jensen", "khan", "lund")
_LARGEST_GATEWAY: Final = 400
"""Addresses that one gateway sees."""
_COPIES: Final = 40
"""Machines of which one is a copy of its unit's golden image."""


def draw(plan: Plan, catalogue: Catalogue) -> Fleet:
    """The fleet of a plan."""
    rng = random.Random(f"fleet {plan.seed} {plan.hosts} {plan.days}")  # noqa: S311 - to be repeated
    tools = populations.choose(catalogue, plan.days, rng)
    matcher = Matcher(catalogue)
    personal = _personal(catalogue, matcher)
    units, weights = list(_UNITS), [share for share, _ in _UNITS.values()]
    hosts: list[Machine] = []
    for number in range(plan.hosts):
        unit = rng.choices(units, weights)[0]
        hosts.append(_host(number, unit, plan, tools, personal, matcher, rng))
    machines = [*hosts, *_gateways(hosts, tools, plan, rng), *_images(hosts, plan)]
    silent = frozenset(rng.sample(range(plan.days - 1), plan.days // 12)) if plan.days > 1 else frozenset()
    return Fleet(plan, tuple(units), tools, tuple(machines), silent)


def _host(
    number: int,
    unit: str,
    plan: Plan,
    tools: tuple[Tool, ...],
    personal: list[Fact],
    matcher: Matcher,
    rng: random.Random,
) -> Machine:
    inclination = _UNITS[unit][1]
    people = tuple(_person(number, which) for which in range(2 if rng.random() < 0.06 else 1))
    lot = rng.random()
    born = rng.randrange(plan.days) if lot < 0.05 else 0
    reinstalled = rng.randrange(born + 1, plan.days) if 0.05 <= lot < 0.08 and born + 1 < plan.days else None
    away = rng.randrange(plan.days) if rng.random() < 0.15 else 0
    return Machine(
        number=number,
        role="host",
        name=f"{unit.rpartition('/')[2][:3]}-lt-{number:05}",
        unit=unit,
        people=people,
        address=f"10.{list(_UNITS).index(unit)}.{number // 250 % 250}.{number % 250 + 2}",
        tools=tuple(_adopted(tools, inclination, plan.days, rng)),
        extras=tuple(_extras(number, unit, personal, matcher, rng)),
        born=born,
        reinstalled=reinstalled,
        offline=(away, min(plan.days - 1, away + rng.randrange(1, 10))) if away else (0, 0),
        skew=_skew(rng),
        copied=number % _COPIES == _COPIES - 1,
    )


def _adopted(tools: tuple[Tool, ...], inclination: float, days: int, rng: random.Random) -> Iterator[tuple[int, int]]:
    for at, tool in enumerate(tools):
        if rng.random() >= min(0.95, tool.share * inclination):
            continue
        day = tool.begins
        if tool.spreads and tool.begins > 0:
            part = min(max(rng.random(), 0.001), 0.999)  # where on the curve of those who follow each other
            day += max(0, round(2 * tool.spreads + tool.spreads * math.log(part / (1 - part)) / 2))
        if day < days:
            yield at, day


def _extras(number: int, unit: str, personal: list[Fact], matcher: Matcher, rng: random.Random) -> Iterator[Fact]:
    if personal and rng.random() < 0.08:
        yield rng.choice(personal)
    if unit in {"amer/engineering", "emea/research"} and rng.random() < 0.1:
        name = rng.choice(("tickets", "wiki", f"own-{number % 17}"))
        own = populations.of(matcher, "", "mcp_server", client="editor", name=name, package=f"npm:@corp/mcp-{name}")
        if own is not None:
            yield own


def _personal(catalogue: Catalogue, matcher: Matcher) -> list[Fact]:
    """Accounts of one's own, at services whose files tell."""
    found: list[Fact] = []
    for entry in sorted(catalogue, key=lambda each: each.id):
        for path in entry.signature.examples.match.config[:1]:
            fact = populations.of(matcher, entry.id, "account", path=path, domain="mail.example")
            if fact is not None and path.startswith("~/"):
                found.append(fact)
    return found[:20]


def _gateways(hosts: list[Machine], tools: tuple[Tool, ...], plan: Plan, rng: random.Random) -> Iterator[Machine]:
    """One or more for each unit: they see the unit's machines, and devices that have no agent."""
    number = plan.hosts
    for at, unit in enumerate(_UNITS):
        known = [host.address for host in hosts if host.unit == unit]
        strangers = [f"10.{at}.255.{which + 2}" for which in range(max(1, len(known) // 20))][:200]
        seen = known + strangers
        for begin in range(0, len(seen), _LARGEST_GATEWAY):
            yield Machine(
                number=number,
                role="gateway",
                name=f"gw-{at}-{begin // _LARGEST_GATEWAY}",
                unit=unit,
                people=(),
                address=f"10.{at}.254.{begin // _LARGEST_GATEWAY + 2}",
                tools=tuple((which, tool.begins) for which, tool in enumerate(tools) if tool.passing is not None),
                clients=tuple(seen[begin : begin + _LARGEST_GATEWAY]),
                skew=_skew(rng) // 100,
            )
            number += 1


def _images(hosts: list[Machine], plan: Plan) -> Iterator[Machine]:
    """Golden images: machines that were enrolled once, and whose disk was copied."""
    units = sorted({host.unit for host in hosts if host.copied})
    for at, unit in enumerate(units):
        yield Machine(
            number=plan.hosts + 10_000 + at,
            role="image",
            name=f"image-{at}",
            unit=unit,
            people=(),
            address=f"10.250.0.{at + 2}",
        )


def _person(number: int, which: int) -> str:
    given = _GIVEN[(number * 7 + which) % len(_GIVEN)]
    return f"{given}.{_FAMILY[number // 13 % len(_FAMILY)]}{number + which * 50_000}"


def _skew(rng: random.Random) -> int:
    """Most clocks are right to a second or two, some are minutes off, a few a day or a month."""
    lot = rng.random()
    if lot < 0.9:
        return rng.randrange(-2, 3)
    if lot < 0.98:
        return rng.randrange(-1_800, 1_800)
    return rng.choice((-30 * DAY, -DAY, DAY, -12 * 3_600))
