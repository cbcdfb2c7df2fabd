"""Block lists: what was prohibited for everybody, and never what anything else depends on."""

from __future__ import annotations

import csv
import datetime
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from aimscope_collector.authorisation import Row
from aimscope_collector.inventory.model import AuthorisedUse, Inventory
from aimscope_collector.reports.block_lists import BlockList, LeftOut, block_list
from aimscope_collector.reports.block_lists_formats import KINDS, MOST_INDICATORS, render
from aimscope_collector.reports.block_lists_prohibited import Ban, ban
from aimscope_collector.reports.cells import BEGIN_FORMULAS
from aimscope_collector.reports.never_block import Guards, above, built_in, domain_name
from aimscope_collector.review import Act, Decision
from aimscope_collector.services import Service
from aimscope_collector.store import decisions, inventories
from aimscope_collector.store.database import writing
from tests.collector.example import TODAY, inventory, use
from tests.collector.fleet.planted import DAY, NOW, Planted
from tests.collector.reports.made import made, whom

NO_GUARDS = Guards(())


def service(id_: str, *domains: str, hosts: tuple[str, ...] = (), part_of: str = "") -> Service:
    return Service(id=id_, name=id_.title(), domains=(*domains, *hosts), own_domains=domains, part_of=part_of)


SERVICES = (
    service("chatgpt", "chatgpt.com", "shared.example", "usercontent.example", hosts=("chat.openai.com",)),
    service("api", "api.example", "shared.example"),
    service("whisper", "x.usercontent.example"),
    service("otter", "otter.ai"),
    service("gemini", "gemini.google.com", "google.com"),
)
BANNED = Ban(prohibited=True, why="a decision of ann on 2026-11-20")
FREE = Ban(needed=True)


def listed(**bans: Ban) -> BlockList:
    return block_list({one.id: one for one in SERVICES}, bans, guards=built_in())


def domains(found: BlockList) -> list[str]:
    return [one.domain for one in found.blocked]


def why(found: BlockList, domain: str) -> str:
    (one,) = [one for one in found.left_out if one.domain == domain]
    return one.why


def test_only_what_is_prohibited_is_listed() -> None:
    found = listed(otter=BANNED, api=FREE)
    assert domains(found) == ["otter.ai"]
    assert found.left_out == ()
    assert listed(api=FREE).blocked == ()
    assert listed().blocked == ()


def test_what_an_authorised_or_undecided_service_needs_is_left_out_with_the_reason() -> None:
    found = listed(chatgpt=BANNED, api=FREE)
    assert domains(found) == ["chatgpt.com"]
    assert why(found, "shared.example") == "Api needs it, and may be used"
    assert why(found, "usercontent.example") == "it belongs to Whisper as well, which nobody prohibited"
    assert "single host" in why(found, "chat.openai.com")


def test_when_all_who_share_a_domain_are_prohibited_it_is_blocked() -> None:
    assert domains(listed(chatgpt=BANNED, api=BANNED, whisper=BANNED)) == [
        "api.example",
        "chatgpt.com",
        "shared.example",
        "usercontent.example",
    ]


def test_platforms_are_never_blocked_but_a_service_below_them_is() -> None:
    found = listed(gemini=BANNED)
    assert domains(found) == ["gemini.google.com"]
    assert why(found, "google.com") == "a platform that people need for much besides AI"


def test_a_part_of_something_that_is_not_prohibited_spares_its_names() -> None:
    services = {
        one.id: one
        for one in (
            service("office", "office.example"),
            service("bot", "bot.office.example", "bot.example", part_of="office"),
        )
    }
    found = block_list(services, {"bot": BANNED}, guards=NO_GUARDS)
    assert domains(found) == ["bot.example"]
    assert why(found, "bot.office.example") == "it is part of Office, which nobody prohibited"
    both = block_list(services, {"bot": BANNED, "office": BANNED}, guards=NO_GUARDS)
    assert domains(both) == ["bot.example", "office.example"]


def test_an_undecided_service_of_the_same_maker_is_hit_and_that_is_said() -> None:
    several = (service("chat", "chat.example"), service("video", "video.chat.example"))
    services = {
        one.id: msgspec.structs.replace(one, vendor=vendor)
        for one, vendor in zip(several, ("A", "A, Inc."), strict=True)
    }
    (one,) = block_list(services, {"chat": BANNED}, guards=NO_GUARDS).blocked
    assert (one.domain, one.also) == ("chat.example", ("Video",))
    assert not block_list(services, {"chat": BANNED, "video": FREE}, guards=NO_GUARDS).blocked
    found = block_list(services, {"chat": BANNED}, guards=NO_GUARDS)
    (file,) = render("squid", found, now=NOW, catalogue="c")
    assert b"# Blocking chat.example also blocks Video." in file.content  # type: ignore[operator]


def test_a_name_below_a_blocked_one_is_said_once() -> None:
    services = {one.id: one for one in (service("a", "a.example"), service("b", "b.a.example"))}
    assert domains(block_list(services, {"a": BANNED, "b": BANNED}, guards=NO_GUARDS)) == ["a.example"]


@pytest.mark.parametrize(
    "name",
    ["github.com", "microsoft.com", "cloudfront.net", "amazonaws.com", "google.com", "okta.com"],
)
def test_guards_hold_the_name_and_what_is_above_it(name: str) -> None:
    assert built_in().why_not(name)
    assert not built_in().why_not(f"not-{name}")


def test_below_a_sign_in_nothing_is_blocked_and_a_top_level_is_no_domain() -> None:
    assert built_in().why_not("tenant.okta.com")
    assert not built_in().why_not("tenant.cloudfront.net")
    assert domain_name("com") is None


HOSTILE = [
    "a b.example",
    "a.example\n0.0.0.0 bank.example",
    "*.example.com",
    "a..example",
    "-a.example",
    "=1+1",
    "1.2.3.4",
    "a.example/x",
    "",
    "x" * 64 + ".example",
    "a;b.example",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_domain_is_never_written(text: str) -> None:
    services = {"x": service("x", text)}
    found = block_list(services, {"x": BANNED}, guards=NO_GUARDS)
    assert found.blocked == ()
    assert found.left_out[0].why == "not a domain name that a list can hold"


@given(st.text(max_size=80))
def test_a_domain_name_has_only_what_lists_can_hold(text: str) -> None:
    name = domain_name(text)
    assert name is None or (set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-._") and len(list(above(name))) >= 1)


def row(**fields: object) -> Row:
    return Row(use(**fields), "id")


def act(action: Act, unit: str | None = None, *, at: int = NOW - DAY, **fields: Any) -> Decision:
    uid = f"{action}-{unit}-{at}"
    return Decision(uid=uid, service="s", unit=unit, action=action, reason="r", by="ann", at=at, **fields)


def judged(*of: Row | Decision, unit: str = "") -> Ban:
    rows = [one for one in of if isinstance(one, Row)]
    taken = [one for one in of if isinstance(one, Decision)]
    return ban(rows, taken, unit=unit, today=TODAY, now=NOW)


def blocks(found: Ban) -> bool:
    return found.prohibited and not found.spared


def test_what_makes_a_ban_and_what_does_not() -> None:
    assert blocks(judged(act("prohibit")))
    assert blocks(judged(row(status="prohibited")))
    assert not blocks(judged())
    assert not blocks(judged(act("prohibit", "emea")))
    assert not blocks(judged(row(status="prohibited", units=("emea",))))
    assert not blocks(judged(row(status="prohibited", hosts=("pc-*",))))
    assert not blocks(judged(row(status="prohibited", start=TODAY + datetime.timedelta(days=1))))
    assert not blocks(judged(row(status="prohibited", expiry=TODAY - datetime.timedelta(days=1))))
    assert not blocks(judged(act("prohibit", until=NOW - 1, at=NOW - 2 * DAY)))
    assert not blocks(judged(act("prohibit"), act("tolerate", at=NOW - 5, until=NOW + DAY)))


def test_an_exception_spares_the_service_as_long_as_it_lasts() -> None:
    assert judged(act("prohibit"), act("tolerate", "emea", at=NOW - 9, until=NOW + DAY)).spared == (
        "it is not prohibited everywhere: emea"
    )
    assert blocks(judged(act("prohibit", at=NOW - 9), act("prohibit", "emea", at=NOW - 5)))
    assert not blocks(judged(act("prohibit", except_units=("legal",))))
    tolerated = row(status="tolerated", units=("emea",), expiry=TODAY)
    assert judged(row(status="prohibited"), tolerated).spared.startswith("row")
    over = row(status="tolerated", units=("emea",), expiry=TODAY - datetime.timedelta(days=1))
    assert blocks(judged(row(status="prohibited"), over))


def test_a_list_for_a_unit_heeds_what_holds_there() -> None:
    assert blocks(judged(act("prohibit", "emea"), unit="emea"))
    assert blocks(judged(act("prohibit", "emea"), unit="emea/sales"))
    assert not blocks(judged(act("prohibit", "emea"), unit="apac"))
    assert not blocks(
        judged(act("prohibit", "emea"), act("tolerate", "emea/sales", at=NOW - 5, until=NOW + DAY), unit="emea")
    )
    assert blocks(judged(act("prohibit"), act("tolerate", "apac", at=NOW - 5, until=NOW + DAY), unit="emea"))
    assert blocks(judged(row(status="prohibited", units=("emea",)), unit="emea/sales"))
    assert not blocks(judged(row(status="prohibited"), row(status="approved", units=("emea/sales",)), unit="emea"))


def test_bans_end_when_the_last_of_them_does() -> None:
    assert judged(act("prohibit", until=NOW + DAY)).until == NOW + DAY
    assert judged(act("prohibit", until=NOW + DAY), row(status="prohibited")).until is None


@pytest.fixture
def told(database: sa.Engine) -> sa.Engine:
    """Otter and ChatGPT prohibited, ChatGPT not in emea/legal; Cursor approved."""
    planted = Planted(database)
    for unit in ("emea/legal", "apac"):
        planted.saw(planted.agent(unit, unit), "chatgpt", "dns.query", presence="used", name="chatgpt.com")
    with writing(database) as connection:
        kept = inventory(
            use(services=("cursor",)), AuthorisedUse(name="Otter", services=("otter",), status="prohibited")
        )
        inventories.keep(connection, inventory=kept, author="ann", note="", effective_from=NOW - DAY, now=NOW - DAY)
        taken = [
            Decision(uid="1", service="chatgpt", action="prohibit", reason="r", by="ann", at=NOW - 9),
            Decision(
                uid="2",
                service="chatgpt",
                unit="emea/legal",
                action="tolerate",
                reason="r",
                by="ann",
                at=NOW - 8,
                until=NOW + DAY,
            ),
        ]
        decisions.decide(connection, taken, now=NOW)
    return database


def test_the_report_lists_by_inventory_and_decisions_and_says_what_it_spares(told: sa.Engine) -> None:
    def answer(**options: object) -> dict[str, list[dict[str, str]]]:
        found: dict[str, list[dict[str, str]]] = json.loads(
            made(told, "block-lists", "json", services=SERVICES, **options)["block-list.json"]  # type: ignore[arg-type]
        )
        return found

    whole = answer()
    assert [one["domain"] for one in whole["blocked"]] == ["otter.ai"]
    assert [one["why"] for one in whole["left_out"]] == ["it is not prohibited everywhere: emea/legal"]
    apac = whom("viewer", units=("apac",))
    assert answer(who=apac)["left_out"][0]["why"] == "it is not prohibited everywhere"
    assert [one["domain"] for one in answer(unit="apac")["blocked"]] == ["chatgpt.com", "otter.ai"]
    assert set(made(told, "block-lists", "zip", services=SERVICES)) >= {
        "rpz.txt",
        "squid-dstdomain.txt",
        "left-out.json",
    }


def test_text_is_of_one_kind_and_csv_is_for_defender(told: sa.Engine) -> None:
    assert set(made(told, "block-lists", "txt", services=SERVICES)) == {"hosts.txt"}
    assert set(made(told, "block-lists", "txt", services=SERVICES, options={"kind": "rpz"})) == {"rpz.txt"}
    assert set(made(told, "block-lists", "csv", services=SERVICES)) == {"defender-indicators.csv"}


EXAMPLE = BlockList(
    unit="",
    blocked=listed(otter=BANNED, chatgpt=BANNED, api=BANNED).blocked,
    left_out=(LeftOut(service="x", name="X\nbank.example CNAME .", domain="y", why="é\u2028because"),),
)


def text(kind: str) -> str:
    (file,) = render(kind, EXAMPLE, now=NOW, catalogue="c")
    assert isinstance(file.content, bytes)
    return file.content.decode("ascii" if kind != "defender" else "utf-8-sig")


def test_each_kind_says_each_name_in_its_own_way() -> None:
    assert "0.0.0.0 otter.ai\n0.0.0.0 www.otter.ai\n" in text("hosts")
    assert "otter.ai IN CNAME .\n*.otter.ai IN CNAME .\n" in text("rpz")
    assert "\n.otter.ai\n" in text("squid")
    assert text("firewall").splitlines() == domains(EXAMPLE)
    assert "otter.ai/\n*.otter.ai/\n" in text("firewall-urls")


@pytest.mark.parametrize("kind", ["hosts", "rpz", "squid"])
def test_names_cannot_leave_the_comment(kind: str) -> None:
    mark = ";" if kind == "rpz" else "#"
    assert not [line for line in text(kind).splitlines() if "bank.example" in line and not line.startswith(mark)]
    assert f"{mark} Left out: y of X bank.example CNAME .: ? because." in text(kind)


def test_indicators_have_the_documented_columns_and_no_formula() -> None:
    services = {"x": Service(id="x", name="=cmd()", own_domains=("x.example",), domains=("x.example",))}
    found = block_list(services, {"x": Ban(prohibited=True, why="w", until=NOW)}, guards=NO_GUARDS)
    (file,) = render("defender", found, now=NOW, catalogue="c")
    assert isinstance(file.content, bytes)
    (one,) = csv.DictReader(io.StringIO(file.content.decode("utf-8-sig")))
    assert (one["indicatorType"], one["indicatorValue"], one["action"]) == ("DomainName", "x.example", "Block")
    assert one["expirationTime"] == "2026-11-23T12:00:00.0Z"
    assert one["severity"] in ("Informational", "Low", "Medium", "High")
    assert not [value for value in one.values() if value.startswith(BEGIN_FORMULAS)]


def test_indicators_come_in_files_of_five_hundred() -> None:
    several = service("x", *(f"d{number}.example" for number in range(MOST_INDICATORS + 1)))
    files = render("defender", block_list({"x": several}, {"x": BANNED}, guards=NO_GUARDS), now=NOW, catalogue="c")
    assert [file.name for file in files] == ["defender-indicators-1.csv", "defender-indicators-2.csv"]


def test_an_empty_list_is_a_list() -> None:
    for kind in KINDS:
        assert render(kind, BlockList(unit="", blocked=(), left_out=()), now=NOW, catalogue="c")


@pytest.mark.skipif(shutil.which("named-checkzone") is None, reason="BIND's tools are not installed")
def test_bind_takes_the_zone(tmp_path: Path) -> None:
    (tmp_path / "rpz").write_text(text("rpz"), "ascii")
    done = subprocess.run(
        ["named-checkzone", "rpz.local", tmp_path / "rpz"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OK" in done.stdout


@pytest.mark.skipif(shutil.which("squid") is None, reason="Squid is not installed")
def test_squid_takes_the_list(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(text("squid"), "ascii")
    config = (
        f'http_port 127.0.0.1:3128\nacl prohibited_ai dstdomain "{tmp_path}/list"\nhttp_access deny prohibited_ai\n'
    )
    (tmp_path / "squid.conf").write_text(config, "utf-8")
    done = subprocess.run(
        ["squid", "-k", "parse", "-f", tmp_path / "squid.conf"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if "ERROR" in line or "WARNING" in line]


def test_an_inventory_with_nothing_prohibited_gives_an_empty_list(database: sa.Engine) -> None:
    with writing(database) as connection:
        inventories.keep(
            connection, inventory=Inventory(aimscope_inventory=1), author="a", note="", effective_from=0, now=1
        )
    assert json.loads(made(database, "block-lists", "json", services=SERVICES)["block-list.json"])["blocked"] == []
