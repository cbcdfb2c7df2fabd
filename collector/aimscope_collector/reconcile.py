"""The AI in use against the inventory of authorised AI: one pure function.

The result depends on what its arguments say, never on their order.
"""

from __future__ import annotations

import datetime
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from aimscope_collector import evidence
from aimscope_collector.authorisation import Outside, Place, Row, Ruling, Standing, decide
from aimscope_collector.conditions import BREACHES, Breach, breaches, personal_accounts
from aimscope_collector.findings import VERDICTS, Finding, Reconciliation, Verdict
from aimscope_collector.ignoring import sort_out
from aimscope_collector.inventory.model import Ignore, Inventory, Weights
from aimscope_collector.risk import rate
from aimscope_collector.rules import Rules
from aimscope_collector.services import Service
from aimscope_signatures.model import Coverage, Sighting, Status

Emits = Mapping[str, Iterable[str]]
"""Sensor → the kinds it observes."""

_VERDICT: Final[dict[Standing, Verdict]] = {
    "prohibits": "prohibited",
    "authorises": "authorised",
    "expired": "expired",
    "out_of_scope": "out_of_scope",
    "proposed": "unregistered",
}
_ELSEWHERE: Final[Mapping[Verdict, str]] = {
    "prohibited": "prohibited",
    "unregistered": "not registered",
    "unknown_ai": "not registered",
    "out_of_scope": "outside of what its row allows",
    "expired": "no longer registered",
}
"""What it is on other machines than those where it is authorised, for a sentence."""
_MOST_REASONS: Final = 12
_MOST_ROWS: Final = 5
"""Of the rows that decide for different machines, so many are named."""


def reconcile(
    sightings: Iterable[Sighting],
    coverage: Iterable[Coverage],
    inventory: Inventory | None,
    services: Sequence[Service],
    *,
    unit: str,
    host: str,
    today: datetime.date,
    groups: tuple[str, ...] = (),
    environment: str = "",
    places: Callable[[str], Place | None] | None = None,
    emits: Emits | None = None,
    ignores: Sequence[Ignore] = (),
    rules: Rules | None = None,
) -> Reconciliation:
    """Judge everything that one look, or many, have seen: each sighting in the place of its asset.

    ``host``, ``unit``, ``groups`` and ``environment`` are those of the machine that looked: a sighting without asset
    is about it. Any other asset is where ``places`` says, else a machine of that name in the same unit, groups and
    environment. ``ignores`` are kept apart from the inventory and count like those within. Without an inventory
    nothing is judged: every finding is ``observed``. ``emits`` says which sensors a service's absence depends on;
    without it, on all. ``rules`` are the inventory and the services resolved, where that was done before.
    """
    if rules is None:
        rules = Rules(inventory, services)
    where = _Places(Place(host=host, unit=unit, groups=groups, environment=environment), places)
    all_ignores = (*(inventory.ignores if inventory else ()), *ignores)
    kept, ignored, expired_ignores = sort_out(evidence.ordered(sightings), all_ignores, where.__getitem__, today)
    judge = _Judge(rules, where, today)
    for (service, condition, its_unit), seen in _grouped(kept, rules.known, where).items():
        judge.take(service, condition, its_unit, seen)
    present = {sighting.service for sighting in (*kept, *ignored)}
    findings = [*judge.findings, *judge.dormant(present, tuple(coverage), emits)]
    return Reconciliation(
        findings=tuple(sorted(findings, key=_order)),
        weak=tuple(judge.weak),
        ignored=ignored,
        expired_ignores=expired_ignores,
        unmatched=tuple(one for one in rules.unmatched if one.use.label not in judge.decided),
        judged=inventory is not None,
    )


class _Places(dict[str, Place]):
    """Asset → its place, each looked up once."""

    def __init__(self, home: Place, places: Callable[[str], Place | None] | None) -> None:
        super().__init__({"": home})
        self.home = home
        self._places = places

    def __missing__(self, asset: str) -> Place:
        told = self._places(asset) if self._places else None
        found = self[asset] = told or msgspec.structs.replace(self.home, host=asset)
        return found


def _grouped(
    sightings: Iterable[Sighting], known: Mapping[str, Service], where: _Places
) -> dict[tuple[str, str, str], list[Sighting]]:
    """Sightings by service and unit; what no service explains, by piece of evidence."""
    groups: dict[tuple[str, str, str], list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        condition = "" if sighting.service in known else evidence.describe(sighting)
        groups[(sighting.service, condition, where[sighting.asset].unit)].append(sighting)
    return groups


def _order(finding: Finding) -> tuple[object, ...]:
    risk = finding.risk.likelihood * finding.risk.impact if finding.risk else 0
    return (VERDICTS.index(finding.verdict), -risk, *finding.key)


class _Case(msgspec.Struct):
    """Sightings on machines for which every row says the same, and what that comes to."""

    seen: Sequence[Sighting]
    verdict: Verdict
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    ruling: Ruling | None = None

    @property
    def order(self) -> tuple[object, ...]:
        """The same whichever machine was seen first."""
        return (self.ruling is None, self.ruling.order if self.ruling else (), self.reasons, self.notes)


class _Judge:
    """Rules, places and a day. Fills ``findings``, ``weak`` and ``decided``, the rows that decided anything."""

    def __init__(self, rules: Rules, where: _Places, today: datetime.date) -> None:
        self.findings: list[Finding] = []
        self.weak: list[Sighting] = []
        self.decided: set[str] = set()
        self._rules = rules
        self._where = where
        self._today = today
        inventory = rules.inventory
        self._weights = inventory.risk.weights if inventory else Weights()
        self._organisation = inventory.organisation.domains if inventory else ()

    def take(self, service: str, condition: str, unit: str, seen: Sequence[Sighting]) -> None:
        """Judge the use of one service in one unit, or of one thing that no catalogue knows."""
        by_verdict: dict[Verdict, list[_Case]] = defaultdict(list)
        for case in sorted(self._cases(service, seen), key=lambda case: case.order):
            by_verdict[case.verdict].append(case)
        strong = []
        for verdict in sorted(by_verdict, key=VERDICTS.index):
            cases = by_verdict[verdict]
            if all(evidence.best_identity(case.seen) == "low" for case in cases):
                self.weak += (sighting for case in cases for sighting in case.seen)
            else:
                strong.append((verdict, cases))
        for verdict, cases in strong:
            whole = verdict == "authorised" or len(strong) == 1
            elsewhere = tuple(other for other, _ in strong if other != verdict) if whole else ()
            self._find(service, condition if whole else _named(condition, verdict), unit, cases, elsewhere)

    def _cases(self, service_id: str, seen: Sequence[Sighting]) -> list[_Case]:
        """Sightings by what the rows say of their machines; all together where none tells machines apart."""
        service = self._rules.known.get(service_id)
        rows = self._rules.about(service_id) if service else self._rules.about_unknown(seen)
        anywhere = self._where[seen[0].asset]  # in the unit, which is the same for all of them
        telling = [row for row in rows if row.tells_apart(anywhere.unit)]
        how = {row: row.outside(anywhere) for row in rows}
        if not telling:
            return [self._case(service, service_id, how, (anywhere,), seen)]
        stand: dict[str, tuple[Outside | None, ...]] = {}
        alike: dict[tuple[Outside | None, ...], list[Sighting]] = defaultdict(list)
        for sighting in seen:
            outside = stand.get(sighting.asset)
            if outside is None:
                place = self._where[sighting.asset]
                outside = stand[sighting.asset] = tuple([row.outside(place) for row in telling])
            alike[outside].append(sighting)
        places: dict[tuple[Outside | None, ...], list[Place]] = defaultdict(list)
        for asset, outside in stand.items():
            places[outside].append(self._where[asset])
        found = []
        for outside, here in alike.items():
            how.update(zip(telling, outside, strict=True))
            found.append(self._case(service, service_id, how, places[outside], here))
        return found

    def _case(
        self,
        service: Service | None,
        service_id: str,
        how: Mapping[Row, Outside | None],
        places: Sequence[Place],
        seen: Sequence[Sighting],
    ) -> _Case:
        ruling, notes = decide(Ruling(row, outside, places, self._today) for row, outside in how.items())
        if self._rules.inventory is None:
            return _Case(seen, "observed", ("There is no inventory to judge by.",), notes)
        if ruling is not None:
            return _Case(seen, _VERDICT[ruling.standing], ruling.reasons, notes, ruling)
        if service is None:
            which = (
                f"The catalogue has no service {service_id}." if service_id else "It fits no service of the catalogue."
            )
            return _Case(seen, "unknown_ai", (f"{which} No row of the inventory names it.",), notes)
        reason = f"No row of the inventory that applies here is about {service.name}."
        return _Case(seen, "unregistered", (reason,), notes)

    def _find(
        self, service_id: str, condition: str, unit: str, cases: Sequence[_Case], elsewhere: tuple[Verdict, ...]
    ) -> None:
        """The finding about cases of one verdict, and one for each condition they break."""
        service = self._rules.known.get(service_id)
        seen = _together(case.seen for case in cases)
        rows = tuple(dict.fromkeys(case.ruling.use.label for case in cases if case.ruling))
        self.decided.update(rows)
        broken = self._broken(cases)
        personal = any(self._personal(case) for case in cases)
        apart = "personal_account" in broken
        reasons = _merged(cases)
        if broken:
            about = " and ".join(BREACHES[name] for name in broken)
            reasons += (f"Not all of it: {about} have a finding of their own.",)
        if elsewhere:
            stand = " or ".join(dict.fromkeys(_ELSEWHERE.get(verdict, verdict) for verdict in elsewhere))
            reasons += (f"Not on all machines: on others it is {stand}, which is a finding of its own.",)

        def finding(
            condition: str, verdict: Verdict, reasons: tuple[str, ...], shown: tuple[Sighting, ...], personal: bool
        ) -> Finding:
            return Finding(
                service=service_id,
                unit=unit,
                condition=condition,
                verdict=verdict,
                name=service.name if service else service_id or evidence.title(seen[0]),
                vendor=service.vendor if service else "",
                category=service.category if service else "",
                reasons=reasons,
                row="; ".join(rows[:_MOST_ROWS]) + ("; …" if len(rows) > _MOST_ROWS else ""),
                identity=evidence.best_identity(shown),
                presence=evidence.best_presence(shown),
                evidence=shown,
                blocked=evidence.only_attempted(shown),
                risk=rate(seen, service, personal_account=personal, weights=self._weights),
            )

        self.findings.append(finding(condition, cases[0].verdict, reasons, seen, personal and not apart))
        for name, several in broken.items():
            shown = _together(breach.sightings for breach in several)
            why = tuple(dict.fromkeys(breach.reason for breach in several))[:_MOST_REASONS]
            about_account = name == "personal_account"
            self.findings.append(finding(_named(condition, name), several[0].verdict, why, shown, about_account))

    def _broken(self, cases: Iterable[_Case]) -> dict[str, list[Breach]]:
        """Condition → how it is broken, in the order in which conditions are checked."""
        broken: dict[str, list[Breach]] = defaultdict(list)
        for case in cases:
            if case.ruling and case.ruling.standing == "authorises":
                for breach in breaches(case.ruling.use, _sure(case.seen), self._organisation):
                    broken[breach.condition].append(breach)
        return broken

    def _personal(self, case: _Case) -> bool:
        allowed = case.ruling.use.allowed_accounts if case.ruling else ()
        return bool(personal_accounts(_sure(case.seen), self._organisation, allowed))

    def dormant(self, present: set[str], coverage: tuple[Coverage, ...], emits: Emits | None) -> list[Finding]:
        """Services that a row authorises here, and of which a complete look saw nothing.

        Rows for a whole vendor or category do not promise that anything is used; and a row of which one service was
        seen is in use.
        """
        if not coverage:
            return []
        here = self._where.home
        rulings: dict[str, list[Ruling]] = defaultdict(list)
        for rows in self._rules.systems:
            named = {name: row for name, row in rows.items() if row.by not in ("vendor", "category")}
            if present.isdisjoint(named):
                for name, row in named.items():
                    rulings[name].append(Ruling(row, row.outside(here), (here,), self._today))
        found = []
        for service_id, several in rulings.items():
            service = self._rules.known[service_id]
            ruling, notes = decide(several)
            if ruling and ruling.standing == "authorises" and _looked_for(service, coverage, emits):
                self.decided.add(ruling.use.label)
                reason = "It was not seen here, although everything that would show it was looked at."
                found.append(
                    Finding(
                        service=service.id,
                        unit=here.unit,
                        condition="",
                        verdict="dormant",
                        name=service.name,
                        vendor=service.vendor,
                        category=service.category,
                        reasons=(*ruling.reasons, reason, *notes),
                        row=ruling.use.label,
                    )
                )
        return found


def _named(condition: str, more: str) -> str:
    """What is told of AI in no catalogue, and what tells one finding about it from another."""
    return ": ".join(part for part in (condition, more) if part)


def _together(several: Iterable[Sequence[Sighting]]) -> tuple[Sighting, ...]:
    first, *others = several
    return evidence.ordered(itertools.chain(first, *others)) if others else tuple(first)


def _sure(sightings: Iterable[Sighting]) -> tuple[Sighting, ...]:
    return tuple(sighting for sighting in sightings if sighting.identity != "low")


def _merged(cases: Sequence[_Case]) -> tuple[str, ...]:
    """Why cases come to one verdict. What rows say beside the one that decides holds for one case only."""
    if len(cases) == 1:
        return (*cases[0].reasons, *cases[0].notes)
    reasons = tuple(dict.fromkeys(reason for case in cases for reason in case.reasons))
    more = len(reasons) - _MOST_REASONS
    return reasons if more <= 0 else (*reasons[:_MOST_REASONS], f"{more:,} more rows say so of other machines.")


def _looked_for(service: Service, coverage: tuple[Coverage, ...], emits: Emits | None) -> bool:
    """Whether every sensor that would show the service had a complete look, and there is one."""
    status: dict[str, set[Status]] = defaultdict(set)
    for look in coverage:
        status[look.sensor].add(look.status)
    if service.kinds is None or emits is None:
        relevant = set(status)
    else:
        relevant = {sensor for sensor, kinds in emits.items() if not service.kinds.isdisjoint(kinds)}
    proves = service.kinds is None or bool(service.kinds)
    return proves and bool(relevant) and all(status[sensor] == {Status.COMPLETE} for sensor in relevant)
