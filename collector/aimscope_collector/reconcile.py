"""The AI in use against the inventory of authorised AI: one pure function.

The result depends on what its arguments say, never on their order.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from aimscope_collector import evidence
from aimscope_collector.authorisation import Place, Ruling, Standing, decide, rule
from aimscope_collector.conditions import breaches, personal_accounts
from aimscope_collector.findings import VERDICTS, Finding, Reconciliation, Verdict
from aimscope_collector.ignoring import sort_out
from aimscope_collector.inventory.model import AuthorisedUse, Ignore, Inventory, Weights
from aimscope_collector.inventory.resolve import By, Index, unmatched
from aimscope_collector.risk import rate
from aimscope_collector.services import Service, below_any
from aimscope_signatures.model import Coverage, Sighting, Status

Emits = Mapping[str, Iterable[str]]
"""Sensor → the kinds it observes."""

_SUGGESTED: Final = 20
"""Suggestions take time: so many unmatched names get some during a scan, all of them in ``inventory check``."""

_VERDICT: Final[dict[Standing, Verdict]] = {
    "prohibits": "prohibited",
    "authorises": "authorised",
    "expired": "expired",
    "out_of_scope": "out_of_scope",
    "proposed": "unregistered",
}


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
    emits: Emits | None = None,
    ignores: Sequence[Ignore] = (),
) -> Reconciliation:
    """Judge everything seen on one machine.

    ``ignores`` are kept apart from the inventory and count like those within. Without an inventory nothing is judged:
    every finding is ``observed``. ``emits`` says which sensors a service's absence depends on; without it, on all.
    """
    all_ignores = (*(inventory.ignores if inventory else ()), *ignores)
    kept, ignored, expired_ignores = sort_out(evidence.ordered(sightings), all_ignores, host, today)
    judge = _Judge(inventory, services, Place(host=host, unit=unit, groups=groups, environment=environment), today)
    findings: list[Finding] = []
    weak: list[Sighting] = []
    for (service, condition), seen in _grouped(kept, judge.known).items():
        if evidence.best_identity(seen) == "low":
            weak += seen
        else:
            findings += judge.findings(service, condition, seen)
    decided = {finding.row for finding in findings}
    present = {sighting.service for sighting in (*kept, *ignored)}
    findings += judge.dormant(present, tuple(coverage), emits)
    return Reconciliation(
        findings=tuple(sorted(findings, key=_order)),
        weak=tuple(weak),
        ignored=ignored,
        expired_ignores=expired_ignores,
        unmatched=tuple(one for one in judge.unmatched if one.use.label not in decided),
        judged=inventory is not None,
    )


def _grouped(
    sightings: Iterable[Sighting], known: Mapping[str, Service]
) -> dict[tuple[str, str], tuple[Sighting, ...]]:
    """Sightings by service; what no service explains, by piece of evidence."""
    groups: dict[tuple[str, str], list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        condition = "" if sighting.service in known else evidence.describe(sighting)
        groups[(sighting.service, condition)].append(sighting)
    return {key: tuple(group) for key, group in groups.items()}


def _order(finding: Finding) -> tuple[object, ...]:
    risk = finding.risk.likelihood * finding.risk.impact if finding.risk else 0
    return (VERDICTS.index(finding.verdict), -risk, *finding.key)


class _Judge:
    """An inventory, a catalogue, a place and a day."""

    def __init__(
        self, inventory: Inventory | None, services: Sequence[Service], place: Place, today: datetime.date
    ) -> None:
        self.known = {service.id: service for service in services}
        self._inventory = inventory
        self._place = place
        self._today = today
        self._weights = inventory.risk.weights if inventory else Weights()
        self._organisation = inventory.organisation.domains if inventory else ()
        index = Index(services)
        self._resolutions = index.resolve_all(inventory.systems if inventory else ())
        self._rows: dict[str, list[tuple[AuthorisedUse, By]]] = defaultdict(list)
        for resolution in self._resolutions:
            for service, by in resolution.services.items():
                self._rows[service].append((resolution.use, by))
        self.unmatched = unmatched(self._resolutions, index, limit=_SUGGESTED)

    def findings(self, service_id: str, condition: str, seen: tuple[Sighting, ...]) -> list[Finding]:
        """The finding about one use, and one for each condition it breaks."""
        service = self.known.get(service_id)
        ruling, notes = decide(self._rulings(service, seen))
        sure = tuple(sighting for sighting in seen if sighting.identity != "low")
        broken = breaches(ruling.use, sure, self._organisation) if ruling and ruling.standing == "authorises" else ()
        personal = bool(personal_accounts(sure, self._organisation, ruling.use.allowed_accounts if ruling else ()))
        apart = any(breach.condition == "personal_account" for breach in broken)
        verdict, reasons = self._verdict(service, service_id, ruling)
        if broken:
            notes = (*notes, f"Not all of it: see {', '.join(breach.condition for breach in broken)}.")

        def finding(
            condition: str, verdict: Verdict, reasons: tuple[str, ...], shown: tuple[Sighting, ...], personal: bool
        ) -> Finding:
            return Finding(
                service=service_id,
                unit=self._place.unit,
                condition=condition,
                verdict=verdict,
                name=service.name if service else service_id or evidence.title(seen[0]),
                vendor=service.vendor if service else "",
                category=service.category if service else "",
                reasons=reasons,
                row=ruling.use.label if ruling else "",
                identity=evidence.best_identity(shown),
                presence=evidence.best_presence(shown),
                evidence=shown,
                blocked=evidence.only_attempted(shown),
                risk=rate(seen, service, personal_account=personal, weights=self._weights),
            )

        found = [finding(condition, verdict, (*reasons, *notes), seen, personal and not apart)]
        for breach in broken:
            about_account = breach.condition == "personal_account"
            name = f"{condition}: {breach.condition}" if condition else breach.condition
            found.append(finding(name, breach.verdict, (breach.reason,), breach.sightings, about_account))
        return found

    def _rulings(self, service: Service | None, seen: tuple[Sighting, ...]) -> list[Ruling]:
        rows = self._rows.get(service.id, []) if service else self._rows_for_unknown(seen)
        return [rule(use, by, self._place, self._today) for use, by in rows]

    def _rows_for_unknown(self, seen: tuple[Sighting, ...]) -> list[tuple[AuthorisedUse, By]]:
        """Rows that name a host, program, model or MCP server of something no catalogue knows: AI of one's own."""
        hosts = {host for sighting in seen for host in evidence.hosts(sighting)}
        programs = {name.casefold() for sighting in seen for name in evidence.programs(sighting)}
        labels = {label.casefold() for sighting in seen if (label := evidence.label(sighting))}
        found: list[tuple[AuthorisedUse, By]] = []
        for resolution in self._resolutions:
            use = resolution.use
            # whoever runs a server names it: a name counts only for a row that is about nothing of the catalogue
            called = () if resolution.services else [name.casefold() for name in (use.name, *use.aliases)]
            named = (*use.allowed_domains, *use.domains)
            if any(below_any(host, named) for host in hosts):
                found.append((use, "domain"))
            elif (
                programs & {name.casefold().removesuffix(".exe") for name in use.allowed_processes}
                or not labels.isdisjoint(called)
                or any(fnmatchcase(label, use.model.casefold()) for label in labels)
            ):
                found.append((use, "name"))
        return found

    def _verdict(
        self, service: Service | None, service_id: str, ruling: Ruling | None
    ) -> tuple[Verdict, tuple[str, ...]]:
        if self._inventory is None:
            return "observed", ("There is no inventory to judge by.",)
        if ruling is not None:
            return _VERDICT[ruling.standing], ruling.reasons
        if service is None:
            which = (
                f"The catalogue has no service {service_id}." if service_id else "It fits no service of the catalogue."
            )
            return "unknown_ai", (f"{which} No row of the inventory names it.",)
        return "unregistered", (f"No row of the inventory that applies here is about {service.name}.",)

    def dormant(self, present: set[str], coverage: tuple[Coverage, ...], emits: Emits | None) -> list[Finding]:
        """Services that a row authorises here, and of which a complete look saw nothing.

        Rows for a whole vendor or category do not promise that anything is used; and a row of which one service was
        seen is in use.
        """
        rulings: dict[str, list[Ruling]] = defaultdict(list)
        for resolution in self._resolutions:
            named = {name: by for name, by in resolution.services.items() if by not in ("vendor", "category")}
            if present.isdisjoint(named):
                for name, by in named.items():
                    rulings[name].append(rule(resolution.use, by, self._place, self._today))
        found = []
        for service_id, rows in rulings.items():
            service = self.known[service_id]
            ruling, notes = decide(rows)
            if ruling and ruling.standing == "authorises" and _looked_for(service, coverage, emits):
                reason = "It was not seen here, although everything that would show it was looked at."
                found.append(
                    Finding(
                        service=service.id,
                        unit=self._place.unit,
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
