"""What a collector holds against what is true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.door import Door
from aimscope_collector.simulate.plan import Fleet, Machine
from aimscope_collector.simulate.totals import Total, truth
from aimscope_collector.store.tables.fleet import AGENT, ASSET, EPOCH
from aimscope_collector.store.tables.review import FINDING
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING, SUBJECT
from aimscope_signatures.kinds import IDENTITIES

_TOLD: Final = 20
_AT_ONCE: Final = 500
"""Machines whose rows are asked for together: the table's key begins with the month."""
Row = tuple[str, int, str, str, str, str, str]
"""Epoch, month, asset, service, kind, fields, subject: as the database knows them."""


class Verdict(msgspec.Struct, kw_only=True):
    """How truth and collector compare."""

    machines: int = 0
    agents: int = 0
    rows_true: int = 0
    rows_kept: int = 0
    count_true: int = 0
    count_kept: int = 0
    bytes_true: int = 0
    bytes_kept: int = 0
    services_true: int = 0
    services_kept: int = 0
    services_found: int = 0
    """Services of which there are findings."""
    wrong: int = 0
    """Rows that are missing, too many or different."""
    examples: list[str] = []

    @property
    def equal(self) -> bool:
        """Nothing is missing, and nothing is there that should not be."""
        return not self.wrong and self.rows_true == self.rows_kept


def unjudged(connection: sa.Connection) -> int:
    """Services of which more than a weak sign was reported, and of which there is no finding yet."""
    found = sa.select(FINDING.c.service).where(FINDING.c.present == 1)
    better = sa.select(SIGHTING.c.evidence).where(SIGHTING.c.identity > IDENTITIES.index("low")).distinct()
    reported = sa.select(sa.func.count(sa.distinct(EVIDENCE.c.service)))
    wanted = reported.where(EVIDENCE.c.service != "", EVIDENCE.c.service.not_in(found), EVIDENCE.c.id.in_(better))
    return connection.execute(wanted).scalar_one()


def compare(
    connection: sa.Connection, fleet: Fleet, names: Mapping[tuple[int, int], tuple[str, str]], door: Door
) -> Verdict:
    """Every row of every machine. ``names`` gives agent and epoch of a machine's ledger, by its number and which."""
    verdict = Verdict(machines=len(fleet.machines))
    verdict.agents = connection.execute(sa.select(sa.func.count()).select_from(AGENT)).scalar_one()
    verdict.services_found = connection.execute(
        sa.select(sa.func.count(sa.distinct(FINDING.c.service))).where(FINDING.c.present == 1, FINDING.c.service != "")
    ).scalar_one()
    true_services: set[str] = set()
    kept_services: set[str] = set()
    for at in range(0, len(fleet.machines), _AT_ONCE):
        machines = fleet.machines[at : at + _AT_ONCE]
        uids = {names[key][0]: machine for machine in machines for key in _ledgers(machine, names)}
        kept: dict[int, dict[Row, Total]] = {}
        for uid, row, total in _kept(connection, list(uids)):
            kept.setdefault(uids[uid].number, {})[row] = total
        for machine in machines:
            true, here = _expected(fleet, machine, names, door), kept.get(machine.number, {})
            _judge(verdict, machine, true, here)
            true_services.update(row[3] for row in true if row[3])
            kept_services.update(row[3] for row in here if row[3])
    verdict.services_true, verdict.services_kept = len(true_services), len(kept_services)
    return verdict


def _judge(verdict: Verdict, machine: Machine, true: Mapping[Row, Total], kept: Mapping[Row, Total]) -> None:
    verdict.rows_true += len(true)
    verdict.rows_kept += len(kept)
    verdict.count_true += sum(total.count for total in true.values())
    verdict.count_kept += sum(total.count for total in kept.values())
    verdict.bytes_true += sum(total.bytes_out or 0 for total in true.values())
    verdict.bytes_kept += sum(total.bytes_out or 0 for total in kept.values())
    for row in true.keys() | kept.keys():
        if true.get(row) != kept.get(row):
            verdict.wrong += 1
            if len(verdict.examples) < _TOLD:
                verdict.examples.append(f"{machine.name} {row[1:6]}: true {true.get(row)}, kept {kept.get(row)}")


def _ledgers(machine: Machine, names: Mapping[tuple[int, int], tuple[str, str]]) -> list[tuple[int, int]]:
    return [(machine.number, which) for which in (0, 1) if (machine.number, which) in names]


def _expected(
    fleet: Fleet, machine: Machine, names: Mapping[tuple[int, int], tuple[str, str]], door: Door
) -> dict[Row, Total]:
    rows: dict[Row, Total] = {}
    for (which, (month, fact, asset, subject)), total in truth(fleet, machine).items():
        fields = msgspec.json.encode(dict(sorted(fact.fields))).decode()
        row = (
            names[machine.number, which][1],
            month,
            door.asset_pseudonym(asset) if asset else "",
            fact.service,
            fact.kind,
            fields,
            door.person_pseudonym(subject) if subject else "",
        )
        rows[row] = total
    return rows


def _kept(connection: sa.Connection, agents: list[str]) -> Iterator[tuple[str, Row, Total]]:
    c = SIGHTING.c
    joined = (
        SIGHTING.join(AGENT, AGENT.c.id == c.agent)
        .join(EPOCH, EPOCH.c.id == c.epoch)
        .join(EVIDENCE, EVIDENCE.c.id == c.evidence)
        .join(ASSET, ASSET.c.id == c.asset)
        .outerjoin(SUBJECT, SUBJECT.c.id == c.subject)
    )
    named = (c.asset == AGENT.c.asset, c.subject == 0)
    columns = (c.count, c.first, c.last, c.days, c.bytes_out)
    keys = (EPOCH.c.value, c.month, ASSET.c.pseudonym, EVIDENCE.c.service, EVIDENCE.c.kind, EVIDENCE.c.fields)
    wanted = sa.select(AGENT.c.uid, *named, *keys, SUBJECT.c.pseudonym, *columns).select_from(joined)
    rows = connection.execute(wanted.where(AGENT.c.uid.in_(agents)))
    for uid, own, nobody, epoch, month, asset, service, kind, fields, subject, *values in rows:
        row = (epoch, month, "" if own else asset, service, kind, fields, "" if nobody else subject)
        yield uid, row, Total(*values)
