"""A fleet with a past: two versions of an inventory, decisions, exceptions, corrections, reveals, hostile names."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aimscope_collector.accounts import Principal
from aimscope_collector.asset_lists import Listed
from aimscope_collector.corrective import CorrectiveAction
from aimscope_collector.inventory.model import Inventory
from aimscope_collector.privacy import PrivacyPolicy
from aimscope_collector.reports import Asked, report_named
from aimscope_collector.reports.making import Source, make
from aimscope_collector.review import Decision
from aimscope_collector.rolling_up import roll_up_all
from aimscope_collector.store import accounts, actions, decisions, inventories, listed, reveals, units
from aimscope_collector.store.database import writing
from tests.collector.example import SERVICES, inventory, use
from tests.collector.fleet.planted import DAY, DOOR, NOW, Planted
from tests.collector.reports.made import whom

KEY = Ed25519PrivateKey.from_private_bytes(b"e" * 32)
AUDITOR = whom("auditor")
FORMULA = '=HYPERLINK("http://evil.example","ok")'
SCRIPT = "<script>alert(1)</script>\u202egnp.exe"
FIRST = inventory(use(id="AI-1", services=("cursor",), units=("emea",), owner="Ann", contract_ref="C-7"))
SECOND = inventory(
    use(id="AI-1", services=("cursor",), status="prohibited"),
    use(id="AI-2", name="Otter", services=("otter",), status="tolerated"),
)


def plant(engine: sa.Engine, *, listing: bool = True) -> Planted:
    """Thirty days ago Cursor was registered for emea; ten days ago that changed."""
    fleet = Planted(engine)
    _keep(engine, FIRST, NOW - 30 * DAY)
    _keep(engine, SECOND, NOW - 10 * DAY)
    for number in range(6):
        agent = fleet.agent(f"pc-{number}", "emea/sales", seen=NOW - 40 * DAY)
        fleet.saw(agent, "cursor", "application", at=NOW - 20 * DAY, subject=f"user{number}", id="dpkg:cursor")
        fleet.looked(agent, "applications", "application", at=NOW - 2 * DAY)
    lone = fleet.agent("lone", "apac", seen=NOW - 5 * DAY)
    fleet.saw(lone, "chatgpt", "browser.visit", at=NOW - DAY, subject="solo", presence="used", host="chatgpt.com")
    fleet.saw(lone, "", "mcp_server", at=NOW - DAY, label=SCRIPT, presence="configured")
    fleet.looked(lone, "browser", "browser.visit", at=NOW - DAY, status="denied", sequence=3)
    with writing(engine) as connection:
        if listing:
            names = [*(f"pc-{number}" for number in range(6)), "lone", "unseen-1", "unseen-2"]
            devices = [Listed(names=(name,), unit="apac" if name == "lone" else "emea/sales") for name in names]
            listed.take(connection, devices=devices, door=DOOR, actor="ann", now=NOW - 4 * DAY)
        units.set_scope(
            connection, path="apac", scope="not_yet", justification="phase two", below=True, actor="ann", now=NOW
        )
        units.set_scope(connection, path="apac", scope="in", justification="", below=True, actor="ann", now=NOW)
        for name, roles in (("sec", ("security",)), ("rev", ("reviewer",))):
            accounts.create(connection, name=name, roles=roles, hashed=None, by="t", at=NOW - DAY, origin="oidc")
    fleet.reconcile(SECOND, now=NOW - 3 * DAY)
    roll_up_all(engine)
    _review(fleet)
    return fleet


def _keep(engine: sa.Engine, what: Inventory, at: int) -> None:
    with writing(engine) as connection:
        inventories.keep(connection, inventory=what, author="ann", note=FORMULA, effective_from=at, now=at)


def _review(fleet: Planted) -> None:
    found = fleet.findings()
    with writing(fleet.engine) as connection:
        tolerated = Decision(
            uid="d-1",
            service="chatgpt",
            action="tolerate",
            reason=FORMULA,
            by="rev",
            at=NOW - 2 * DAY,
            until=NOW + 30 * DAY,
        )
        decisions.decide(connection, [tolerated], now=NOW - 2 * DAY)
        cursor = found["cursor", "emea/sales", ""].id
        opened = CorrectiveAction(
            finding=cursor,
            cause="nobody knew",
            action="tell them",
            owner="Ann",
            due=NOW + DAY,
            opened_by="rev",
            opened_at=NOW - DAY,
        )
        actions.open_action(connection, opened)
        actions.comment(connection, finding=cursor, by="rev", at=NOW - DAY, text="@SUM(1)")
        pseudonym = DOOR.person("solo").pseudonym
        connection.execute(sa.text("update subject set sealed = :it"), {"it": b"sealed"})
        reveals.ask(
            connection,
            pseudonym=pseudonym,
            what="person",
            by=Principal(account=9, name="sec", roles=("security",)),
            role="security",
            reason="an incident",
            at=NOW - DAY,
            policy=PrivacyPolicy(),
        )


def pack(
    engine: sa.Engine,
    path: Path,
    *,
    who: Principal = AUDITOR,
    unit: str = "",
    as_of: int = NOW,
    options: Mapping[str, str] | None = None,
    pdf: str = "no",
) -> Path:
    """A pack of the last ninety days, made as the API makes it."""
    asked = Asked(
        since=NOW // DAY * DAY - 89 * DAY,
        until=NOW // DAY * DAY + DAY,
        as_of=as_of,
        unit=unit,
        form="zip",
        options={"pdf": pdf, **(options or {})},
    )
    source = Source(
        engine=engine,
        now=NOW,
        services={one.id: one for one in SERVICES},
        catalogue="c0ffee",
        version="0",
        sign=lambda body: (KEY.sign(body), KEY.public_key().public_bytes_raw()),
    )
    with tempfile.TemporaryDirectory() as folder:
        file = make(report_named("evidence-pack"), asked, who=who, source=source, folder=Path(folder))
        assert isinstance(file.content, Path)
        path.write_bytes(file.content.read_bytes())
    return path


class Opened:
    """What is in a pack."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as file:
            self.files = {name: file.read(name) for name in file.namelist()}
        self.about: dict[str, Any] = msgspec.json.decode(self.files["pack.json"])
        self.page = self.files["index.html"].decode()

    def table(self, name: str) -> dict[str, Any]:
        """A table with its columns and rows."""
        path = next(path for path in self.files if path.endswith(f"-{name}.json"))
        found: dict[str, Any] = msgspec.json.decode(self.files[path])
        return found

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table."""
        found: list[dict[str, Any]] = self.table(name)["rows"]
        return found

    def csv(self, name: str) -> str:
        """A table as CSV."""
        path = next(path for path in self.files if path.endswith(f"-{name}.csv"))
        return self.files[path].decode("utf-8-sig")
