"""The same state gives the same findings, whatever came first, twice, or was judged in between."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aimscope_collector.judging import Row
from aimscope_collector.reconciling import Knowledge, Reconciler
from aimscope_collector.store import findings
from aimscope_collector.store.database import is_sqlite, writing
from aimscope_collector.store.sightings import Row as Total
from aimscope_collector.store.tables.review import FINDING
from aimscope_collector.store.tables.sightings import SIGHTING
from tests.collector.example import SERVICES, inventory, use
from tests.collector.fleet.planted import DAY, DOOR, NOW, Planted, day_bit

ROWS = inventory(
    use(units=("emea",), conditions=("organisation_account",)),
    use(name="Otter", status="prohibited", hosts=("a0", "lab-*")),
    use(name="ChatGPT", allowed_device_groups=("vip",)),
    use(name="Ollama"),
)
EVIDENCE = (
    ("cursor", "application", {"id": "dpkg:cursor"}),
    ("cursor", "account", {"path": "~/.cursor", "domain": "gmail.com"}),
    ("otter", "dns.query", {"name": "otter.ai"}),
    ("chatgpt", "dns.query", {"name": "chatgpt.com"}),
    ("", "mcp_server", {"client": "x", "name": "crm", "package": "npm:one"}),
    ("", "mcp_server", {"client": "x", "name": "crm", "package": "npm:two"}),
)
TOTALS = st.lists(
    st.tuples(
        st.integers(0, 4),  # agent
        st.integers(0, len(EVIDENCE) - 1),
        st.integers(0, 2),  # subject
        st.integers(1, 2),  # epoch
        st.integers(0, 100),  # days ago
        st.integers(1, 50),  # count
        st.integers(0, 3),  # identity
        st.integers(0, 5),  # presence
        st.one_of(st.none(), st.integers(0, 1 << 53)),
    ),
    min_size=1,
    max_size=16,
)


@pytest.fixture
def fleet(database: sa.Engine) -> Planted:
    return Planted(database)


def merge(engine: sa.Engine, rows: list[Total]) -> None:
    from aimscope_collector.store import _upsert_postgresql, _upsert_sqlite

    with writing(engine) as connection:
        upsert = _upsert_sqlite.upsert if is_sqlite(connection) else _upsert_postgresql.upsert
        for row in rows:
            upsert(connection, [row])


def empty(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        connection.execute(SIGHTING.delete())
        connection.execute(FINDING.delete())


def found(engine: sa.Engine) -> list[Row]:
    with engine.connect() as connection:
        return findings.rows(connection)


def test_order_repetition_and_judging_in_between_change_nothing(fleet: Planted) -> None:
    agents = [
        fleet.agent("a0", "emea/sales"),
        fleet.agent("a1", "emea/it", groups=["vip"]),
        fleet.agent("a2", "apac", fits=["lab-*"]),
        fleet.agent("a3", clock_skew=3 * DAY),
        fleet.agent("a4", "emea"),
    ]
    assets = [fleet.device(f"a{number}").id for number in range(5)]
    evidence = [fleet.evidence(service, kind, **fields) for service, kind, fields in EVIDENCE]
    knowledge = Knowledge(ROWS, SERVICES)

    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(totals=TOTALS, data=st.data())
    def hold(totals: list[tuple[int, ...]], data: st.DataObject) -> None:
        rows: list[Total] = []
        for agent, what, subject, epoch, ago, count, identity, presence, volume in totals:
            at = NOW - ago * DAY
            month, days = day_bit(at)
            key = (month, agents[agent], epoch, assets[agent], evidence[what], subject)
            rows.append((*key, count, at, at + 60, volume, None, days, identity, presence))
        empty(fleet.engine)
        merge(fleet.engine, rows)
        Reconciler(fleet.engine, door=DOOR).run(knowledge, now=NOW)
        expected = found(fleet.engine)

        empty(fleet.engine)
        reconciler = Reconciler(fleet.engine, door=DOOR)
        shuffled = data.draw(st.permutations(rows))
        shuffled += data.draw(st.lists(st.sampled_from(rows), max_size=5))
        for number, row in enumerate(shuffled):
            merge(fleet.engine, [row])
            reconciler.touch([EVIDENCE[evidence.index(row[4])][0]])
            if number % 7 == 0:
                reconciler.catch_up(knowledge, now=NOW)
        reconciler.catch_up(knowledge, now=NOW)
        by_service = [row for row in found(fleet.engine) if not row.condition.startswith("mcp server crm: one name")]
        assert by_service == [row for row in expected if not row.condition.startswith("mcp server crm: one name")]
        reconciler.run(knowledge, now=NOW)
        assert found(fleet.engine) == expected
        assert reconciler.catch_up(knowledge, now=NOW) is None

    hold()
