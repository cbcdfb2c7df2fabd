"""The organisation publishes its own services, and agents find them: collector and agent, without a network."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from anyio.from_thread import start_blocking_portal
from litestar.testing import TestClient

from aimscope_agent import enrol
from aimscope_agent.ledger import Ledger
from aimscope_agent.ledger.sent import SentLog
from aimscope_agent.service.knowledge import open_catalogue
from aimscope_agent.trust import Trust
from aimscope_agent.uplink import About, Uplink
from aimscope_agent.uplink.transport import Answer
from aimscope_collector import accounts, founding
from aimscope_collector.app import Collector, assembled
from aimscope_collector.ingest.context import refresh
from aimscope_collector.store import accounts as known_accounts
from aimscope_collector.store import audit, credentials
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.sightings import EVIDENCE
from aimscope_signatures import bundle
from aimscope_signatures.catalogue import load
from aimscope_signatures.fold import fold
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Detection, Observation, Sighting
from aimscope_signatures.signed import Refused
from tests.collector.fleet.planted import DAY, NOW
from tests.signatures.conftest import HOLLY, write

ROSE = """\
id: rose
name: Rose
vendor: Rosary
category: assistant
surface: [web]
homepage: https://rose.example
summary: The organisation's own assistant.
maturity: sandbox
domains: [rose.example]
examples:
  match: {domains: [chat.rose.example]}
  no_match: {domains: [primrose.example]}
"""
ASKED = Observation("dns.query", {"name": "chat.rose.example"}, "log:1", "", NOW)


def seen(service: str) -> Sighting:
    """A question for the organisation's own service, as an agent calls it."""
    return fold([Detection(service, "domains", "high", "used", (), ASKED)], "")[0]


def eventually(holds: Callable[[], bool]) -> None:
    """What the collector does by itself once a second comes about."""
    for _ in range(300):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError


class Fleet:
    """A collector over a folder, and one agent of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, NOW
        services = folder / "services"
        write(services, HOLLY)
        self.shipped = load(services)
        self.made = founding.found(
            folder / "collector",
            database="",
            catalogue=bundle.pack(self.shipped),
            now=NOW,
            randomness=secrets.token_bytes,
            draw_token=lambda: secrets.token_urlsafe(32),
        )
        self.collector = self.another()
        self.stack = contextlib.ExitStack()
        self._portal = self.stack.enter_context(start_blocking_portal())
        self.stack.enter_context(self._portal.wrap_async_context_manager(self.collector.running()))
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.collector.asgi), base_url="http://collector"
        )
        self.api = TestClient(self.collector.api)
        self._enrol()

    def another(self) -> Collector:
        return assembled(
            self.folder / "collector",
            where=str(self.folder / "collector" / "collector.db"),
            catalogue=self.shipped,
            now=lambda: self.now,
            randomness=secrets.token_bytes,
            uniform=lambda: 0.5,
        )

    def ask(self, method: str, path: str, *, body: bytes = b"", credential: str = "", largest: int = 1 << 20) -> Answer:
        """What the agent's transport does, without a network."""
        headers = {"authorization": f"Bearer {credential}"} if credential else {}
        ask = functools.partial(self._client.request, method, path, content=body, headers=headers)
        answer = self._portal.call(ask)
        return Answer(answer.status_code, answer.content, answer.headers.get("content-type", ""))

    def _enrol(self) -> None:
        folder = self.folder / "agent"
        self.trust, self.ledger = Trust(folder / "trust"), Ledger(folder / "ledger.db", now=NOW, epoch="e1")
        sent = SentLog(folder / "sent")
        machine = enrol.Machine(digest=hashlib.sha256(b"m").hexdigest(), name="pc-1")
        said: dict[str, Any] = {"token": self.made.token, "collector": "http://collector", "machine": machine}
        done = enrol.enrol(self, folder / "id", self.trust, now=NOW, random=secrets.token_bytes, sent=sent, **said)
        self.uplink = Uplink(
            self,
            self.ledger,
            self.trust,
            identity=done.identity,
            identity_file=folder / "id",
            about=lambda: About(name="pc-1"),
            sent=sent,
            chance=lambda: 0.5,
            random=secrets.token_bytes,
        )

    def key(self, *roles: str, units: tuple[str, ...] = ()) -> dict[str, str]:
        """Headers of a new account."""
        secret = accounts.new_key(secrets.token_bytes)
        with writing(self.collector.engine) as connection:
            made = known_accounts.create(
                connection, name=secrets.token_hex(4), roles=roles, hashed=None, by="t", at=NOW, units=units
            )
            scopes = sorted(accounts.permissions(made.roles))
            said: dict[str, Any] = {"at": NOW, "expires_at": NOW + DAY, "by": "t"}
            credentials.create_key(connection, account=made.id, name="k", scopes=scopes, secret=secret, **said)
        return {"authorization": f"Bearer {secret}"}

    def publish(
        self, who: dict[str, str], files: dict[str, str] | None = None, *, replaces: int | None = None
    ) -> httpx.Response:
        """Files by id, each in its category's folder."""
        content = {"files": {f"assistant/{name}.yaml": text for name, text in (files or {}).items()}}
        params = {} if replaces is None else {"replaces": replaces}
        return self.api.put("/api/v1/catalogue/overlay", json=content, headers=who, params=params)

    def check_in(self) -> None:
        """The collector looks at its database, the agent checks in."""
        self._portal.call(refresh, self.collector.context)
        self.uplink.step(self.now)
        assert self.uplink.trouble == ""

    def found(self) -> set[str]:
        """Services that the agent sees in a question for ``chat.rose.example``."""
        catalogue = open_catalogue(self.folder / "agent" / "trust", lambda _about, text: None)
        return {each.service for each in Matcher(catalogue).match(ASKED)}

    def close(self) -> None:
        self.ledger.close()
        self._portal.call(self._client.aclose)
        self.stack.close()


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    monkeypatch.setenv("AIMSCOPE_SERVICES", str(tmp_path / "none"))
    made = Fleet(tmp_path)
    yield made
    made.close()


def test_an_agent_finds_what_the_organisation_published_and_the_collector_confirms_it(fleet: Fleet) -> None:
    fleet.check_in()
    assert fleet.found() == set()
    answer = fleet.publish(fleet.key("security"), {"rose": ROSE})
    assert answer.status_code == 200, answer.text
    assert [(one["version"], one["services"], one["in_force"]) for one in answer.json()["items"]] == [
        (1, ["rose"], True)
    ]
    fleet.check_in()
    assert fleet.trust.versions()["overlay"] == 1
    assert fleet.found() == {"rose"}
    eventually(lambda: bool(fleet.collector.context.matcher().match(ASKED)))
    fleet.ledger.commit([seen("rose")], {})
    for _ in range(3):
        fleet.uplink.step(fleet.now)
    assert fleet.ledger.waiting() == 0
    with fleet.collector.engine.connect() as connection:
        assert connection.execute(sa.select(EVIDENCE.c.service, EVIDENCE.c.confirmed)).all() == [("rose", True)]
        entries = audit.entries(connection, actions=("feed.overlay",))
    assert [(entry.about, entry.facts["version"]) for entry in entries] == [("overlay", 1)]
    viewer = fleet.key("viewer")

    def known() -> list[str]:
        answer = fleet.api.get("/api/v1/services", params={"text": "rosary"}, headers=viewer)
        return [one["id"] for one in answer.json()["items"]]

    eventually(lambda: known() == ["rose"])


def test_what_was_seen_before_is_asked_about_again_and_a_withdrawn_service_is_gone(fleet: Fleet) -> None:
    who = fleet.key("security")
    fleet.check_in()
    fleet.ledger.commit([seen("")], {})
    for _ in range(3):
        fleet.uplink.step(fleet.now)

    def services() -> list[str]:
        with fleet.collector.engine.connect() as connection:
            return list(connection.execute(sa.select(EVIDENCE.c.service)).scalars())

    assert services() == [""]
    assert fleet.publish(who, {"rose": ROSE}).status_code == 200
    eventually(lambda: services() == ["rose"])
    assert fleet.publish(who).status_code == 200
    eventually(lambda: services() == [""])
    fleet.check_in()
    assert fleet.found() == set()


def test_another_collector_of_the_same_database_follows(fleet: Fleet) -> None:
    other = fleet.another()
    assert fleet.publish(fleet.key("security"), {"rose": ROSE}).status_code == 200
    assert other.context.matcher().match(ASKED) == ()
    other.background.judge()
    assert [each.service for each in other.context.matcher().match(ASKED)] == ["rose"]
    other.engine.dispose()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("rose", ROSE.replace("no_match", "other"), "unknown key 'other'"),
        ("rose", ROSE.replace("chat.rose.example", "chat.lily.example"), "is not matched by this service"),
        ("rose", ROSE.replace("primrose.example", "my.rose.example"), "matches, and must not"),
        ("rose", ROSE.replace("domains: [rose.example]", "domains: [holly.example]"), "examples"),
        ("rose", ROSE.replace("category: assistant", "category: image"), "is not the folder's"),
        ("lily", ROSE, "id 'rose' is not the file's name 'lily'"),
        ("rose", "a: &a [*a]", "aliases are not allowed"),
        ("rose", "", "mapping"),
    ],
)
def test_what_does_not_prove_itself_is_not_published(fleet: Fleet, name: str, text: str, said: str) -> None:
    answer = fleet.publish(fleet.key("security"), {name: text})
    assert answer.status_code == 422
    assert any(said in problem for problem in answer.json()["errors"]), answer.text
    fleet.check_in()
    assert "overlay" not in fleet.trust.versions()


def test_who_may_publish_and_over_what(fleet: Fleet) -> None:
    for roles, units in ((("reviewer",), ()), (("auditor",), ()), (("security",), ("emea",))):
        assert fleet.publish(fleet.key(*roles, units=units), {"rose": ROSE}).status_code == 403
    who = fleet.key("security")
    assert fleet.publish(who, {"rose": ROSE}, replaces=3).status_code == 409
    assert fleet.publish(who, {"rose": ROSE}, replaces=0).status_code == 200
    assert fleet.publish(who, {"rose": ROSE}, replaces=1).status_code == 200, "the same again is no new version"
    assert len(fleet.api.get("/api/v1/catalogue/overlay", headers=who).json()["items"]) == 1
    for content in ("[]", '{"files": {"../rose.yaml": ""}}', "{", '{"files": {"rose.yaml": 1}}'):
        answer = fleet.api.put("/api/v1/catalogue/overlay", content=content, headers=who)
        assert answer.status_code == 400, content


def test_an_older_version_is_refused_by_the_agent(fleet: Fleet) -> None:
    who = fleet.key("security")
    fleet.publish(who, {"rose": ROSE})
    fleet.check_in()
    first = dict(fleet.collector.context.directory.feeds)["overlay"]
    old = fleet.trust.body("overlay")
    fleet.publish(who, {"rose": ROSE.replace("sandbox", "stable")})
    fleet.check_in()
    assert fleet.trust.versions()["overlay"] == 2
    result = fleet.trust.offer("overlay", first.envelope, NOW, lambda _: old or b"")
    assert isinstance(result, Refused)
    assert result.why == "rollback"


def test_without_the_signing_key_nothing_is_published(fleet: Fleet) -> None:
    (fleet.folder / "collector" / founding.SIGNING / "organisation.key").unlink()
    answer = fleet.publish(fleet.key("security"), {"rose": ROSE})
    assert (answer.status_code, answer.json()["type"]) == (409, "keys-elsewhere")
    assert answer.json()["detail"].endswith("sign where the signing keys are kept")
