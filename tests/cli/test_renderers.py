from __future__ import annotations

import csv
import html.parser
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import typer

from aimscope_cli import renderers
from aimscope_cli.renderers import render
from aimscope_cli.renderers.csv import safe
from aimscope_cli.renderers.text import conclusion
from aimscope_cli.report import Report, exit_status, is_complete, remarks_of, summary_of
from aimscope_signatures.model import Coverage, Gap, Status
from tests.cli.example import EVIDENCE, HOSTILE, REPORT, WEAK, row

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "scan.schema.json"
EMPTY = msgspec.structs.replace(REPORT, summary={}, findings=(), complete=True, inventory=None, weak=())


class Page(html.parser.HTMLParser):
    """Tags, attributes and text, as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.said += data


def test_every_form_in_the_folder_renders_the_shared_report() -> None:
    folder = Path(renderers.__file__).parent
    forms = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    assert forms == ["csv", "html", "json", "sarif", "text"]
    for form in forms:
        assert render(form, REPORT)
        assert render(form, EMPTY)
    with pytest.raises(KeyError):
        render("nothing", REPORT)


def test_json_is_the_report_and_fits_its_schema() -> None:
    text = render("json", REPORT)
    jsonschema.validate(json.loads(text), json.loads(SCHEMA.read_text()))
    assert msgspec.json.decode(text, type=Report) == REPORT


def test_the_schema_says_what_fields_mean_and_which_version_it_is() -> None:
    schema = json.loads(SCHEMA.read_text())
    fields = schema["$defs"]["Report"]["properties"]
    assert fields["aimscope_scan"]["enum"] == [REPORT.aimscope_scan]
    assert "aimscope_scan" in schema["description"]
    plain = {"platform", "vendor", "category", "verdict", "evidence", "path"}
    for name in ("Report", "Row", "Evidence", "Inventory"):
        for field, about in schema["$defs"][name]["properties"].items():
            assert field in plain or about.get("description"), (name, field)


def test_csv_reads_back_and_holds_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(render("csv", REPORT), newline="")))
    assert [one["service"] for one in rows] == ["a", "b", "b", "c", "d", "goose"]
    assert [one["verdict"] for one in rows][-2:] == ["dormant", "hint"]
    assert rows[0]["name"] == HOSTILE
    assert rows[0]["first_seen"] == "2026-09-21T14:13:20+00:00"
    assert not [cell for one in rows for cell in one.values() if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"])
def test_what_a_spreadsheet_would_run_is_defused(cell: str) -> None:
    assert safe(cell) == "'" + cell
    assert safe("a" + cell) == "a" + cell


def test_html_runs_nothing_and_loads_nothing() -> None:
    page = Page(render("html", REPORT))
    assert not {"script", "iframe", "object", "img", "link", "form"} & set(page.tags)
    assert not [
        value for name, value in page.attributes if name in {"src", "href"} and not (value or "").startswith("#")
    ]
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.said
    assert ("http-equiv", "Content-Security-Policy") in page.attributes


def test_html_says_what_a_person_needs_to_know() -> None:
    said = " ".join(Page(render("html", REPORT)).said.split())
    for text in (
        "2 of 4 AI services need a decision", "Not everything could be looked at", "may not be read (3 times)",
        "run as root", "Prohibited, and in use (1)", "1 new since the last scan; no longer seen: Old", "high risk",
        "1 weak hint not counted",
    ):  # fmt: skip
        assert text in said, text
    assert "No AI service was found." in Page(render("html", EMPTY)).said


def test_html_shows_what_was_not_read_and_what_a_source_cannot_tell() -> None:
    unread = Gap("a/none.log", Status.UNSUPPORTED, "its lines fit no known format")
    coverage = (
        Coverage("folders", Status.UNSUPPORTED, (unread,), {"files": 1}),
        Coverage("mcp", Status.UNSUPPORTED),
    )
    said = Page(render("html", msgspec.structs.replace(EMPTY, coverage=coverage, complete=False))).said
    assert "its lines fit no known format" in said
    assert "a/none.log" in said
    assert "folders (" not in said
    assert "mcp (does not exist on this platform)" in said


def test_text_cannot_steer_a_terminal_and_explains_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    from aimscope_cli.renderers import text
    from aimscope_cli.showing import show

    with pytest.raises(typer.Exit) as ended:
        show(REPORT, {})
    assert ended.value.exit_code == 3
    out = capsys.readouterr().out
    assert not {"\x1b", "\u202e", "\u2028"} & set(out)
    assert "\\u001b[31m" in out
    assert "because name equals 'cursor'" not in out
    assert "because name equals 'cursor'" in text.render(REPORT, explain=True)
    assert "Names of the inventory that fit no service (1): Cursr" in out


def test_ai_in_no_catalogue_has_one_rule_in_sarif_and_each_finding_its_own_name() -> None:
    unknown = [row("", "unknown_ai", f"AI API at {host}.example", evidence=(EVIDENCE,)) for host in "ab"]
    (run,) = json.loads(render("sarif", msgspec.structs.replace(EMPTY, findings=tuple(unknown))))["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert (rule["id"], rule["name"]) == ("aimscope/unknown_ai", "AI in no catalogue")
    assert [result["message"]["text"].partition(":")[0] for result in run["results"]] == [
        "AI API at a.example",
        "AI API at b.example",
    ]


def test_sarif_names_places_and_lines() -> None:
    run: dict[str, Any] = json.loads(render("sarif", REPORT))["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == [*(f"aimscope/{s}" for s in "abcd"), "aimscope/goose"]
    first = run["results"][0]
    assert (first["level"], first["ruleIndex"], first["kind"]) == ("error", 0, "fail")
    place = first["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "~/a%20b/x.py"}, "region": {"startLine": 12}}
    assert run["invocations"][0]["toolExecutionNotifications"][0]["level"] == "warning"
    assert [one["kind"] for one in run["results"]] == ["fail", "fail", "fail", "pass", "fail"]


def test_hints_are_notes_in_sarif() -> None:
    unknown = msgspec.structs.replace(WEAK, service="", name="AI API at a.example")
    known = msgspec.structs.replace(WEAK, service="a", name="A")
    hints = msgspec.structs.replace(REPORT, weak=(WEAK, unknown, known))
    run = json.loads(render("sarif", hints))["runs"][0]
    *findings, goose, nobody, again = run["results"]
    assert {one["properties"]["verdict"] for one in findings} == {"prohibited", "unregistered", "authorised"}
    assert [(one["level"], one["ruleId"]) for one in (goose, nobody, again)] == [
        ("note", "aimscope/goose"),
        ("note", "aimscope/unknown_ai"),
        ("note", "aimscope/a"),
    ]
    rules = run["tool"]["driver"]["rules"]
    assert [rules[one["ruleIndex"]]["id"] for one in run["results"]] == [one["ruleId"] for one in run["results"]]
    assert goose["message"]["text"] == "Goose, perhaps: a weak hint, to be reviewed. process: name goose."
    assert nobody["message"]["text"].startswith("AI API at a.example: a weak hint")
    assert goose["properties"] == {"verdict": "hint", "identity": "low", "presence": "used"}


@pytest.mark.parametrize(
    ("verdicts", "complete", "strict", "status"),
    [
        ((), True, False, 0),
        ((), False, False, 0),
        ((), False, True, 4),
        (("authorised",), True, True, 0),
        (("unregistered",), True, False, 3),
        (("unregistered",), False, True, 3),  # what was found weighs more than what could not be looked at
        (("prohibited",), True, False, 3),
        (("observed",), True, False, 0),
        (("out_of_scope", "expired", "condition_unmet", "unknown_ai", "dormant"), True, True, 0),
    ],
)
def test_exit_statuses(verdicts: tuple[str, ...], complete: bool, strict: bool, status: int) -> None:
    rows = tuple(row(str(number), verdict) for number, verdict in enumerate(verdicts))
    report = msgspec.structs.replace(REPORT, findings=rows, complete=complete)
    assert exit_status(report, strict_coverage=strict) == status


def test_a_service_counts_once_under_its_most_serious_verdict() -> None:
    rows = [row("a", "authorised"), row("a", "condition_unmet"), row("b", "authorised"), row("", "unknown_ai")]
    assert summary_of(rows) == {"unknown_ai": 1, "condition_unmet": 1, "authorised": 1}


def test_what_was_only_tried_and_blocked_is_counted_apart() -> None:
    tried = [row("a", "prohibited", blocked=True), row("b", "unregistered", blocked=True), row("c", "prohibited")]
    assert summary_of(tried) == {"prohibited": 1, "prohibited_blocked": 1, "unregistered_blocked": 1}
    # of one service the use weighs more, whatever it is; what is authorised weighs less
    used = [row("a", "unregistered"), row("b", "condition_unmet"), row("c", "authorised")]
    blocked = [row(service, "prohibited", blocked=True) for service in "abc"]
    assert summary_of([*used, *blocked]) == {"unregistered": 1, "condition_unmet": 1, "prohibited_blocked": 1}
    assert summary_of([row("a", "out_of_scope", blocked=True)]) == {"out_of_scope": 1}


def test_could_not_look_is_never_found_nothing() -> None:
    gap = Gap("x", Status.DENIED, "may not be read")
    assert is_complete([Coverage("a", Status.COMPLETE), Coverage("b", Status.OFF), Coverage("c", Status.UNSUPPORTED)])
    assert not is_complete([Coverage("a", Status.PARTIAL, (gap,))])
    assert not is_complete([Coverage("a", Status.FAILED)])
    never = Gap("dns", Status.UNSUPPORTED, "no resolver with a cache that can be asked")
    assert is_complete([Coverage("a", Status.UNSUPPORTED, (never,), {"observed": 3})])
    assert not is_complete([Coverage("a", Status.UNSUPPORTED, (never,))])
    assert not is_complete([Coverage("a", Status.PARTIAL, (never, gap), {"observed": 3})])
    assert conclusion(msgspec.structs.replace(EMPTY, complete=False)).endswith(
        "not everything could be looked at (see coverage)."
    )
    assert conclusion(EMPTY) == "No AI found."


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ({"enabled": "False", "name": "Monica"}, ("switched off",)),
        ({"enabled": "True"}, ()),
        ({"remote": "True", "secrets": "API_KEY, TOKEN"}, ("on another machine", "is handed API_KEY, TOKEN")),
        ({"remote": "False"}, ()),
        ({"organisational": "False"}, ("not an account of the organisation",)),
    ],
)
def test_what_matters_beside_the_evidence_is_said(details: dict[str, str], said: tuple[str, ...]) -> None:
    evidence = msgspec.structs.replace(EVIDENCE, details=details)
    report = msgspec.structs.replace(REPORT, findings=(row("a", "observed", evidence=(evidence,)),))
    text = render("text", report)
    assert remarks_of(evidence) == said
    for form in ("text", "csv", "html"):
        assert all(words in render(form, report) for words in said)
    assert ("switched off" in text) == ("switched off" in said)


def test_the_text_counts_what_is_ignored() -> None:
    assert "1 sighting is left out" in render("text", REPORT)
    assert "left out" not in render("text", msgspec.structs.replace(REPORT, ignored=0))
