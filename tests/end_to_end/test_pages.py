"""Every page in Chromium, over a fleet that says hostile things: nothing runs, everybody can read it, on any screen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from axe_playwright_python.sync_playwright import Axe

from aimscope_collector.accounts import PERMISSIONS
from aimscope_collector.http.access import PREFIX, rules
from aimscope_collector.store import audit
from aimscope_collector.store.database import connect, writing
from aimscope_collector.store.tables import METADATA
from aimscope_collector.store.tables.fleet import AGENT
from aimscope_collector.store.tables.review import FINDING
from tests.collector.fleet.planted import DAY, NOW, Planted
from tests.collector.fleet.test_exports_api import World
from tests.end_to_end.browser import Visitor, chromium

HOSTILE = (
    "<script>window.hit=1</script>",
    "\"><img src=x onerror='window.hit=1'>",
    "';window.hit=1;//",
    "</title><svg/onload=window.hit=1>",
    "javascript:window.hit=1",
    "{{ 7 * 7 }}{% raw %}",
    "\u202etxt.exe\u2066 \x1b[31mred\x07",
    '=HYPERLINK("http://evil.example")',
    "w" * 250,
)
DOWNLOADS = {"/findings.csv", "/reports/{name:str}/file", "/static/{digest:str}/{name:str}"}
ELSEWHERE = {"/login/elsewhere", "/login/elsewhere/back", "/login/elsewhere/out"}
"""Not pages: files, and the way to and from a provider."""

QUERIES = {
    "/inventory/entry": "?row=R-0",
    "/inventory/edit": "?row=R-0",
    "/inventory/diff": "?older=1&newer=1",
}
"""What pages cannot do without."""


class Site:
    """A collector with a hostile fleet, and what stands for the parameters of addresses."""

    def __init__(self, engine: sa.Engine) -> None:
        world = World(engine)
        world.tell(*HOSTILE)
        self.api = world.api
        self.known = {"destination": "siem"}
        everybody = self.api.key(*PERMISSIONS)
        plant = Planted(engine)
        unit = f"emea/{HOSTILE[0].replace('/', '')}"
        agent = plant.agent("laptop", unit, tags=msgspec.json.encode(HOSTILE[:4]).decode(), uid="u-1")
        plant.agent("silent", seen=NOW - 9 * DAY)
        for text in HOSTILE:
            plant.saw(agent, "", "mcp_server", subject=text, name=text, command=text)
            plant.saw(
                agent, "chatgpt", "dns.query", subject=text, name=f"{abs(hash(text))}.chatgpt.com", presence="used"
            )
        plant.looked(agent, HOSTILE[1], status="partial")
        plant.reconcile()
        with writing(engine) as connection:
            said = {"notices": msgspec.json.encode(HOSTILE).decode(), "platform": HOSTILE[0], "version": HOSTILE[1]}
            connection.execute(AGENT.update().where(AGENT.c.id == agent).values(**said))
            for number, (id_,) in enumerate(connection.execute(sa.select(FINDING.c.id)).all()):
                text = HOSTILE[number % len(HOSTILE)]
                values = {"name": text, "vendor": text, "reasons": msgspec.json.encode([text]).decode()}
                connection.execute(FINDING.update().where(FINDING.c.id == id_).values(**values))
                self.known["finding"] = id_
            audit.record(connection, at=NOW, actor=HOSTILE[0], action="x.y", about=HOSTILE[1], facts={"a": HOSTILE[2]})
        self.known |= {"agent": "u-1", "service": "chatgpt", "account": "1"}
        for text in HOSTILE[:7]:
            self.api.send(f"/findings/{self.known['finding']}/comments", everybody, {"text": text})
        decision = {"action": "escalate", "reason": HOSTILE[0], "question": HOSTILE[1]}
        self.api.send(f"/findings/{self.known['finding']}/decisions", everybody, decision)
        made = self.api.send("/tokens", everybody, {"note": HOSTILE[1], "tags": [HOSTILE[0]]})
        self.known["token"] = str(made["id"])
        systems = [
            {"id": f"R-{number}", "name": text, "status": "approved", "purpose": text, "owner": text}
            for number, text in enumerate(HOSTILE)
            if text.isprintable()  # an inventory refuses the others
        ]
        put = self.api.client.put(
            "/api/v1/inventory",
            headers=everybody,
            content=msgspec.json.encode({"aimscope_inventory": 1, "systems": systems}),
            params={"note": HOSTILE[0]},
        )
        assert put.status_code == 200, put.text
        self.known["row"] = "R-0"
        self.everybody = everybody

    def pages(self) -> list[str]:
        """The address of every page, with what is known in the place of its parameters."""
        found = [
            re.sub(r"\{(\w+):\w+\}", lambda match: self.known.get(match[1], f"no-{match[1]}"), rule.path)
            for rule in rules(self.api.app)
            if rule.method == "GET" and not rule.path.startswith(PREFIX) and rule.path not in DOWNLOADS | ELSEWHERE
        ]
        return sorted(path + QUERIES.get(path, "") for path in found)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    engine = connect(str(tmp_path_factory.mktemp("site") / "collector.db"))
    METADATA.create_all(engine)
    made = Site(engine)
    with made.api.client:
        yield made
    engine.dispose()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def visitor(site: Site, browser: Any) -> Visitor:
    return Visitor(browser.new_context(), site.api, site.everybody)


def test_every_page_opens_and_nothing_of_what_strangers_said_runs(site: Site, visitor: Visitor) -> None:
    wrong: dict[str, Any] = {}
    for path in site.pages():
        status = visitor.see(path)
        if status != 200 or "no-" in path:
            wrong[path] = status
        elif ran := visitor.executed():
            wrong[path] = ran
    assert wrong == {}


def test_what_strangers_said_is_there_to_be_read(site: Site, visitor: Visitor) -> None:
    visitor.see(f"/findings/{site.known['finding']}")
    text = visitor.page.inner_text("main")
    assert HOSTILE[0] in text
    assert HOSTILE[5].split("{%")[0] in text  # no template in a template


def test_no_page_is_wider_than_its_screen(site: Site, visitor: Visitor) -> None:
    wrong = {}
    for path in site.pages():
        visitor.see(path, width=360)
        for width in (360, 1024, 2560):
            visitor.page.set_viewport_size({"width": width, "height": 900})
            if visitor.overflow() > 0:
                wrong[path, width] = visitor.overflow()
    assert wrong == {}


def test_axe_finds_nothing_serious(site: Site, visitor: Visitor) -> None:
    wrong: dict[tuple[str, str], list[str]] = {}
    rules_of = {"light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "dark": ["color-contrast"]}
    for path in site.pages():
        visitor.see(path)
        for scheme, only in rules_of.items():
            visitor.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found = Axe().run(visitor.page, options={"runOnly": only})
            serious = [each for each in found.response["violations"] if each["impact"] in {"serious", "critical"}]
            if serious:
                wrong[path, scheme] = [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in serious]
        visitor.page.emulate_media(color_scheme="light")
    assert wrong == {}


def test_everything_works_without_a_script(site: Site, browser: Any) -> None:
    visitor = Visitor(browser.new_context(java_script_enabled=False), site.api, site.everybody)
    assert visitor.see("/findings") == 200
    visitor.page.select_option("select[name=verdict]", "unregistered")
    visitor.page.click("form.filters button")
    assert "verdict=unregistered" in visitor.page.url
