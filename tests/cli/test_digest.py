"""Reports of a gateway that saw many clients: sums first, a bounded table, and no more said than was seen."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from aimscope_cli import digest
from aimscope_cli.digest import clients_of, counted, figures_of, volume
from aimscope_cli.renderers import render
from aimscope_cli.renderers.text import conclusion
from aimscope_cli.report import Evidence, Hint, Report, Row, summary_of
from aimscope_cli.wording import presence_words
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.model import Coverage, Gap, Status
from tests.cli.example import REPORT, row

NOON = 1_795_435_200  # 2026-11-23 12:00 UTC
PROXY = Evidence("http.request", "high", "used", {"host": "chatgpt.com"}, sources=("proxy.log:1",), first=NOON)


def seen(number: int, **more: Any) -> Evidence:
    known = {"subject": f"user{number}", "asset": f"10.0.{number // 250}.{number % 250}", "last": NOON + 3600}
    return msgspec.structs.replace(PROXY, **known | more)


def blocked(number: int, **more: Any) -> Evidence:
    return seen(number, presence="attempted", fields={"host": "chatgpt.com", "blocked": "True"}, **more)


MANY = (
    *(seen(number, count=number + 1, bytes_in=1_000_000) for number in range(2000)),
    *(blocked(number, count=2) for number in range(10)),
    seen(7, kind="dns.query", fields={"name": "chatgpt.com"}, subject="", count=3),
)


def report(*rows: Row, **more: Any) -> Report:
    known = {"findings": rows, "summary": summary_of(rows), "host": "", "weak": (), "compared": False}
    return msgspec.structs.replace(REPORT, **known | more)


def finding(*evidence: Evidence, verdict: str = "unregistered", **more: Any) -> Row:
    presence = max((one.presence for one in evidence), key=["installed", "attempted", "used", "uploaded"].index)
    gone = all(one.presence == "attempted" for one in evidence)
    return row(
        "chatgpt", verdict, "ChatGPT", evidence=evidence, identity="high", presence=presence, blocked=gone, **more
    )


class Table(html.parser.HTMLParser):
    """Rows of all tables, and items of all lists, as text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[str] = []
        self.items: list[str] = []
        self._into: list[str] | None = None
        self.said = ""
        self.feed(page)
        self.rows = [" ".join(text.split()) for text in self.rows]
        self.items = [" ".join(text.split()) for text in self.items]
        self.said = " ".join(self.said.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag in {"tr", "li"}:
            self._into = self.rows if tag == "tr" else self.items
            self._into.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"tr", "li"}:
            self._into = None

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into[-1] += data + " "
        self.said += data


SUM = (
    "2,000 devices, 2,000 users, 2,001,020 requests, 3 lookups, 2.0 GB received, 20 blocked, "
    "2026-11-23 12:00 – 13:00 UTC"
)


def test_of_two_thousand_clients_the_text_gives_the_sum_and_the_first_ten() -> None:
    lines = render("text", report(finding(*MANY))).splitlines()
    assert f"      {SUM}" in lines
    (heading,) = (at for at, line in enumerate(lines) if "Clients, by use (2,001)" in line)
    table = lines[heading + 1 : heading + 12]
    assert re.split("  +", table[0].strip()) == [
        "user1999 on 10.0.7.249",
        "2,000 requests",
        "1.0 MB received",
        "last 2026-11-23",
    ]
    assert table[9].startswith("        user1990 on 10.0.7.240  ")
    assert table[10] == "        … and 1,991 more: see --json or --csv"
    assert "      http.request: chatgpt.com [2,000 clients]  proxy.log:1  (2,001,020 times; 20 blocked)" in lines
    assert "      dns.query: chatgpt.com [10.0.0.7]  proxy.log:1  (3 times)" in lines
    assert len(lines) < 40


def test_explained_the_text_is_still_bounded() -> None:
    from aimscope_cli.renderers import text

    assert 40 < len(text.render(report(finding(*MANY)), explain=True).splitlines()) < 100


def test_of_two_thousand_clients_the_page_gives_the_sum_and_a_table_of_fifty() -> None:
    page = render("html", report(finding(*MANY)))
    shown = Table(page)
    assert SUM in shown.said
    assert [item for item in shown.items if "chatgpt.com" in item] == [
        "http request: chatgpt.com (2,000 devices, 2,001,020 requests) 20 blocked seen at proxy.log:1",
        "dns query: chatgpt.com (10.0.0.7) seen at proxy.log:1",
    ]
    clients = [text for text in shown.rows if text.startswith("10.0.")]
    assert len(clients) == 50
    assert clients[0] == "10.0.7.249 user1999 2,000 requests 1.0 MB – 2026-11-23"
    assert "… and 1,951 more" in shown.said
    assert len(page) < 40_000


def test_of_few_clients_the_page_has_all_and_says_of_no_more() -> None:
    shown = Table(render("html", report(finding(seen(1), seen(2)))))
    assert sum(text.startswith("10.0.0.") for text in shown.rows) == 2
    assert "… and" not in shown.said


def test_one_client_needs_no_table() -> None:
    text = render("text", report(finding(seen(1), blocked(1))))
    assert "http.request: chatgpt.com [user1 on 10.0.0.1]  proxy.log:1  (2 times; 1 blocked)" in text
    assert "Clients" not in text


def test_this_machine_alone_has_users_and_no_clients() -> None:
    assert clients_of((seen(1, asset=""), seen(2, asset=""))) == ()


def test_what_was_blocked_is_no_use_in_the_order_of_clients() -> None:
    used = clients_of((seen(1), blocked(2, count=100), seen(3, count=2)))
    assert [one.device for one in used] == ["10.0.0.3", "10.0.0.1", "10.0.0.2"]


def test_months_of_a_client_are_one_client() -> None:
    (one,) = {(used.user, used.figures.uses) for used in clients_of((seen(1), seen(1, count=4), seen(2, count=5)))} - {
        ("user2", 5)
    }
    assert one == ("user1", 5)


def test_volumes_nobody_knows_are_not_zero() -> None:
    assert "sent" not in figures_of((seen(1),)).sentence()
    assert "0 B sent" in figures_of((seen(1, bytes_out=0),)).sentence()


def test_the_page_that_a_filter_shows_is_nothing_received_from_the_service() -> None:
    sum_ = figures_of((blocked(1, bytes_in=3000), seen(1, bytes_in=5000))).sentence()
    assert sum_ == "1 device, 1 user, 2 requests, 5.0 kB received, 1 blocked, 2026-11-23 12:00 – 13:00 UTC"
    assert "received" not in figures_of((blocked(1, bytes_in=3000),)).sentence()


@pytest.mark.parametrize(
    ("size", "said"),
    [(None, ""), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_499, "999 kB"), (999_600, "1.0 MB"),
     (123_456_789, "123 MB"), (5 * 10**12, "5.0 TB"), (5 * 10**16, "50000 TB")],
)  # fmt: skip
def test_bytes_in_words(size: int | None, said: str) -> None:
    assert volume(size) == said


def test_every_word_is_of_a_kind_that_is_counted() -> None:
    assert all(KINDS[kind].counts == "event" for kind in digest._WORDS)


def test_different_remarks_are_not_made_one() -> None:
    tool = Evidence("extension", "high", "installed", {"id": "chrome:abc"}, asset="laptop-1")
    off = msgspec.structs.replace(tool, asset="laptop-2", details={"enabled": "False"})
    lines = render("text", report(finding(tool, off))).splitlines()
    assert "      extension: chrome:abc [laptop-1]" in lines
    assert "      extension: chrome:abc [laptop-2]  (switched off)" in lines


# how far it shows use


@pytest.mark.parametrize(
    ("presence", "kinds", "said"),
    [
        ("used", ["dns.query"], "looked up"),
        ("used", ["dns.query", "tls.client_hello"], "contacted"),
        ("used", ["connection"], "contacted"),
        ("used", ["dns.query", "http.request"], "used"),
        ("used", ["process"], "used"),
        ("used", ["http.response"], "running"),
        ("attempted", ["dns.query"], "tried, but blocked"),
        ("uploaded", ["tls.client_hello"], "used, with uploads"),
        ("installed", ["package"], "installed"),
    ],
)
def test_a_lookup_alone_is_not_called_use(presence: str, kinds: list[str], said: str) -> None:
    assert presence_words(presence, kinds) == said


LOOKUP = seen(1, kind="dns.query", fields={"name": "chatgpt.com"})
PACKAGE = Evidence("package", "high", "installed", {"name": "pypi:openai"})


def test_what_was_blocked_lends_no_use_to_a_lookup() -> None:
    text = render("text", report(finding(LOOKUP, blocked(1))))
    assert "ChatGPT (V)  looked up" in text
    assert "ChatGPT (V)  installed, looked up" in render("text", report(finding(LOOKUP, PACKAGE)))


@pytest.mark.parametrize(
    ("verdict", "evidence", "heading"),
    [
        ("prohibited", [blocked(1), blocked(2)], "Prohibited, and blocked"),
        ("prohibited", [blocked(1), seen(2)], "Prohibited, and in use"),
        ("prohibited", [LOOKUP], "Prohibited, and found"),
        ("prohibited", [PACKAGE], "Prohibited, and found"),
        ("prohibited", [seen(1, presence="uploaded")], "Prohibited, and in use"),
        ("unregistered", [blocked(1)], "Not registered, and blocked"),
        ("unregistered", [LOOKUP], "Not registered"),
        ("authorised", [blocked(1)], "Authorised"),
        ("observed", [blocked(1)], "Found (no inventory to judge by)"),
    ],
)
@pytest.mark.parametrize("form", ["text", "html"])
def test_findings_stand_under_what_they_show(form: str, verdict: str, evidence: list[Evidence], heading: str) -> None:
    said = Table(render(form, report(finding(*evidence, verdict=verdict)))).said
    headings = re.findall(
        r"(Prohibited, and (?:in use|found|blocked)|Not registered(?:, and blocked)?|Authorised|Found [^)]*\)) \(1\)",
        said,
    )
    assert headings == [heading]


def test_what_is_blocked_needs_no_decision() -> None:
    both = report(finding(blocked(1), verdict="prohibited"), row("b", "unregistered", evidence=(seen(1),)))
    assert "1 of 2 AI services needs a decision" in Table(render("html", both)).said
    assert conclusion(both).startswith("2 AI services: 1 unregistered, 1 prohibited but blocked")
    alone = report(finding(blocked(1), verdict="prohibited"))
    assert "none is used that is unregistered or prohibited" in Table(render("html", alone)).said


@pytest.mark.parametrize(
    ("evidence", "level", "said"),
    [(blocked(1), "note", "Prohibited, and blocked"), (seen(1), "error", "Prohibited, and in use")],
)
def test_a_dashboard_is_not_alarmed_by_what_was_blocked(evidence: Evidence, level: str, said: str) -> None:
    (run,) = json.loads(render("sarif", report(finding(evidence, verdict="prohibited"))))["runs"]
    (result,) = run["results"]
    assert (result["level"], said in result["message"]["text"]) == (level, True)


# hints


def hints(numbers: Iterable[int]) -> tuple[Hint, ...]:
    return tuple(
        Hint(
            "expense", "low", "configured", {"vendor": "openai chatgpt"}, f"ann{number}@example.com",
            last=NOON, first=NOON, service="chatgpt", name="ChatGPT",
        )
        for number in numbers
    )  # fmt: skip


def test_hints_have_person_and_date_in_every_form() -> None:
    found = report(weak=hints([1]))
    assert "expense: openai chatgpt [ann1@example.com]  2026-11-23  maybe ChatGPT" in render("text", found)
    assert "No AI found, 1 hint to be reviewed" in conclusion(found)
    (line,) = csv.DictReader(io.StringIO(render("csv", found), newline=""))
    wanted = ("hint", "chatgpt", "ChatGPT", "ann1@example.com", "2026-11-23T12:00:00+00:00", "vendor=openai chatgpt")
    assert tuple(line[name] for name in ("verdict", "service", "name", "subject", "last_seen", "evidence")) == wanted
    shown = Table(render("html", found))
    assert "expense openai chatgpt ChatGPT ann1@example.com 1 2026-11-23" in shown.rows
    assert "1 hint for somebody to review" in shown.said


def test_many_hints_are_bounded_for_people_and_complete_in_csv() -> None:
    found = report(weak=hints(range(500)))
    assert len(render("text", found).splitlines()) < 40
    assert "… and 488 more" in render("text", found)
    assert sum("ann" in text for text in Table(render("html", found)).rows) == 100
    assert render("csv", found).count("@example.com") == 500


def test_a_hint_runs_no_formula() -> None:
    weak = msgspec.structs.replace(hints([1])[0], subject="=cmd|' /C calc'!A0", fields={"vendor": "x"})
    assert "\"'=cmd" in render("csv", report(weak=(weak,)))


def test_findings_are_no_hints() -> None:
    text = render("csv", report(finding(seen(1, count=5, bytes_out=7, bytes_in=9))))
    (line,) = csv.DictReader(io.StringIO(text, newline=""))
    assert line["verdict"] == "unregistered"
    numbers = ("5", "7", "9", "user1", "10.0.0.1")
    assert tuple(line[name] for name in ("count", "bytes_out", "bytes_in", "subject", "device")) == numbers
    assert "Hints" not in render("html", report(finding(seen(1))))


# blind spots


def test_blind_spots_are_summed_before_the_first_clients() -> None:
    ech = [Gap(f"10.0.0.{number}", Status.PARTIAL, "encrypted hellos", 10 - number, "ask") for number in range(6)]
    other = Gap("other clients", Status.PARTIAL, "DNS over HTTPS", 1136)
    doh = [*(Gap(f"10.1.0.{number}", Status.PARTIAL, "DNS over HTTPS", 1) for number in range(64)), other]
    found = report(coverage=(Coverage("packets", Status.PARTIAL, (*ech, *doh), {"packets_read": 4000}),))
    text = render("text", found)
    assert "partial: encrypted hellos: 45 times, 6 clients → ask" in text
    assert "      10.0.0.0 (10), 10.0.0.1 (9), 10.0.0.2 (8), 10.0.0.3 (7), and 2 more (--json lists them)" in text
    assert "partial: DNS over HTTPS: 1,200 times, more than 64 clients" in text
    assert "other clients" not in text
    said = Table(render("html", found)).said
    assert "encrypted hellos: 45 times, 6 clients" in said
    assert "DNS over HTTPS: 1,200 times, more than 64 clients" in said
    assert "4,000 packets read" in said


def test_a_single_gap_is_said_as_before() -> None:
    gap = Gap("~/x", Status.DENIED, "may not be read", 3, "run as root")
    text = render("text", report(coverage=(Coverage("files", Status.DENIED, (gap,)),)))
    assert "    ~/x: denied: may not be read (3 times) → run as root" in text


def test_a_gateways_page_does_not_speak_of_this_machine() -> None:
    page = render("html", report(finding(seen(1)), target="proxy.log"))
    assert "<title>AI seen in proxy.log" in page
    assert "looked everywhere" not in page
    assert "<title>AI in use on desk" in render("html", report(finding(seen(1)), host="desk"))


@pytest.mark.parametrize(
    ("count", "what", "said"),
    [
        (1, "captures", "1 capture"),
        (2, "captures", "2 captures"),
        (0, "rows", "0 rows"),
        (1, "packets_read", "1 packet read"),
        (1_204, "packets_read", "1,204 packets read"),
        (1, "lines of other sorts", "1 line of other sorts"),
        (1, "processes", "1 process"),
        (1, "read closely", "1 read closely"),
        (1, "unreadable", "1 unreadable"),
        (1, "addresses", "1 address"),
        (1, "names that alone tell nothing", "1 name that alone tells nothing"),
        (2, "names that alone tell nothing", "2 names that alone tell nothing"),
    ],
)
def test_one_is_no_plural(count: int, what: str, said: str) -> None:
    assert counted(count, what) == said
    found = report(coverage=(Coverage("packets", Status.COMPLETE, (), {what: count}),))
    for form in ("text", "html"):
        assert (said in render(form, found)) is (count > 0)
