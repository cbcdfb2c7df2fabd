"""What is said beside the verdicts: weak, unknown and ignored sightings, order, weights."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimscope_collector.findings import Verdict
from aimscope_collector.inventory.model import AuthorisedUse, Ignore, Risk, Weights
from aimscope_collector.reconcile import reconcile
from aimscope_signatures.model import Coverage, Sighting, Status
from tests.collector.example import (
    COMPLETE,
    CURSOR,
    EMITS,
    SERVICES,
    TODAY,
    TOMORROW,
    YESTERDAY,
    inventory,
    judge,
    only,
    see,
    use,
)


def test_low_identity_alone_is_listed_as_weak_and_makes_no_finding() -> None:
    weak = (see("cursor", "process", identity="low", name="main"), see("cursor", "listener", identity="low", port="80"))
    result = judge(*weak)
    assert result.findings == ()
    assert set(result.weak) == set(weak)


def test_low_identity_supports_a_better_one() -> None:
    weak = see("cursor", "process", identity="low", name="main")
    result = judge(weak, CURSOR)
    assert set(only(result).evidence) == {weak, CURSOR}
    assert result.weak == ()


@pytest.mark.parametrize("service", ["", "not-in-this-catalogue"])
def test_what_no_catalogue_knows_is_unknown_ai(service: str) -> None:
    finding = only(judge(see(service, "dns.query", name="llm.example.net", presence="used")))
    assert finding.verdict == "unknown_ai"
    assert finding.key == (service, "engineering", "dns query llm.example.net")


@pytest.mark.parametrize(
    ("seen", "name"),
    [
        (
            see("", "mcp_server", client="cursor", name="crm", host="mcp.example.net"),
            "MCP server crm (mcp.example.net)",
        ),
        (see("", "mcp_server", client="cursor", name="crm"), "MCP server crm"),
        (see("", "model", id="corp-7b"), "Model corp-7b"),
        (see("", "http.response", port="8765"), "Server that speaks OpenAI's API, port 8765"),
        (see("", "dns.query", name="llm.example.net"), "dns query llm.example.net"),
    ],
)
def test_what_no_catalogue_knows_has_a_name_that_people_understand(seen: Sighting, name: str) -> None:
    assert only(judge(seen)).name == name


def test_two_unknown_things_are_two_findings() -> None:
    result = judge(see("", "dns.query", name="a.example.net"), see("", "dns.query", name="b.example.net"))
    assert len({finding.key for finding in result.findings}) == 2


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (use(name="Our own model", allowed_domains=("example.net",)), "authorised"),
        (use(name="Our own model", domains=("llm.example.net",), status="prohibited"), "prohibited"),
        (use(name="Our own model", allowed_domains=("ample.net",)), "unknown_ai"),
    ],
)
def test_a_row_may_name_the_host_of_something_unknown(row: AuthorisedUse, verdict: Verdict) -> None:
    assert only(judge(see("", "dns.query", name="llm.example.net"), rows=(row,))).verdict == verdict


MODEL = see("", "model", id="corp/helper:v2")
SERVER = see("", "mcp_server", client="cursor", name="Holly")


@pytest.mark.parametrize(
    ("seen", "row", "verdict"),
    [
        (MODEL, use(name="Corp/Helper:v2"), "authorised"),
        (MODEL, use(name="Our helper", aliases=("corp/helper:v2",), status="prohibited"), "prohibited"),
        (MODEL, use(name="Our helpers", model="corp/helper:*"), "authorised"),
        (MODEL, use(name="Our helpers", model="corp/help"), "unknown_ai"),
        (MODEL, use(name="Our helpers"), "unknown_ai"),
        (SERVER, use(name="holly"), "authorised"),
        (see("", "mcp_server", client="cursor", name="cursor"), use(name="Cursor"), "unknown_ai"),
        (see("", "http.response", port="80"), use(name="80", model="80"), "unknown_ai"),
    ],
)
def test_a_row_may_name_a_model_or_server_of_ones_own(seen: Sighting, row: AuthorisedUse, verdict: Verdict) -> None:
    result = judge(seen, rows=(row,))
    (finding,) = (finding for finding in result.findings if not finding.service)
    assert finding.verdict == verdict
    names = {one.name for one in result.unmatched}
    assert names == ({row.name} if verdict == "unknown_ai" and row.name != "Cursor" else set())


def test_an_ignored_detection_is_left_out_and_counted() -> None:
    wrong = see("cursor", "process", name="cursor")
    ignore = Ignore(service="cursor", kind="process", evidence={"name": "cursor"}, reason="Ours", expiry=TODAY)
    for result in (
        judge(wrong, CURSOR, ignores=(ignore,)),
        judge(wrong, CURSOR, inventory_=inventory(ignores=(ignore,))),
    ):
        assert only(result).evidence == (CURSOR,)
        assert result.ignored == (wrong,)


@pytest.mark.parametrize(
    "ignore",
    [
        Ignore(service="cursor", kind="application", reason="x", expiry=TODAY),
        Ignore(service="chatgpt", reason="x", expiry=TODAY),
        Ignore(service="cursor", evidence={"name": "other"}, reason="x", expiry=TODAY),
        Ignore(service="cursor", evidence={"name": "cursor", "package": "npm:x"}, reason="x", expiry=TODAY),
        Ignore(service="cursor", hosts=("server-*",), reason="x", expiry=TODAY),
    ],
)
def test_an_ignore_covers_nothing_else(ignore: Ignore) -> None:
    assert judge(see("cursor", "process", name="cursor"), ignores=(ignore,)).ignored == ()


def test_an_ignore_ends_after_its_day_and_that_is_said() -> None:
    ignore = Ignore(service="cursor", reason="Ours", expiry=YESTERDAY)
    result = judge(CURSOR, ignores=(ignore,))
    assert result.ignored == ()
    assert result.expired_ignores == (ignore,)


def test_names_of_the_inventory_that_fit_nothing_come_with_suggestions() -> None:
    result = judge(rows=(use(name="GitHub co-pilot for business"),))
    assert [(one.name, [service.id for service in one.suggestions]) for one in result.unmatched] == [
        ("GitHub co-pilot for business", ["github-copilot"])
    ]


def test_what_needs_a_decision_comes_first() -> None:
    rows = (use(), use(name="Otter", status="prohibited"), use(name="Ollama"))
    seen = (
        CURSOR,
        see("otter", id="x"),
        see("chatgpt", "dns.query", name="chatgpt.com"),
        see("", "dns.query", name="z"),
    )
    result = judge(*seen, rows=rows, coverage=(*COMPLETE, Coverage("models", Status.COMPLETE)))
    assert [finding.verdict for finding in result.findings] == [
        "prohibited",
        "unregistered",
        "unknown_ai",
        "authorised",
        "dormant",
    ]


def test_weights_come_from_the_inventory() -> None:
    heavy = inventory(risk=Risk(weights=Weights(impact_base=5)))
    before, after = only(judge(CURSOR)).risk, only(judge(CURSOR, inventory_=heavy)).risk
    assert before is not None
    assert after is not None
    assert (before.impact, after.impact) == (2, 5)


_sightings = st.lists(
    st.builds(
        lambda service, kind, value, identity, presence, subject, domain: see(
            service,
            kind,
            identity=identity,
            presence=presence,
            subject=subject,
            **({"path": "~/x", "domain": domain} if kind == "account" else {"name": value}),
        ),
        st.sampled_from(["cursor", "chatgpt", "openai-api", "otter", "", "gone"]),
        st.sampled_from(["process", "dns.query", "account", "mcp_server", "credential"]),
        st.sampled_from(["a.example", "b.example"]),
        st.sampled_from(["low", "medium", "high", "certain"]),
        st.sampled_from(["mentioned", "configured", "installed", "used"]),
        st.sampled_from(["", "ann"]),
        st.sampled_from(["corp.example", "mail.example"]),
    ),
    max_size=8,
)
_rows = st.lists(
    st.builds(
        use,
        name=st.sampled_from(["Cursor", "ChatGPT", "Otter", "?"]),
        id=st.sampled_from(["", "a", "b", "c"]),
        status=st.sampled_from(["proposed", "approved", "restricted", "tolerated", "prohibited", "retired"]),
        units=st.sampled_from([(), ("engineering",), ("sales",)]),
        vendors=st.sampled_from([(), ("OpenAI",)]),
        categories=st.sampled_from([(), ("assistant",)]),
        allowed_domains=st.sampled_from([(), ("a.example",)]),
        conditions=st.sampled_from([(), ("no_remote_mcp",)]),
        start=st.sampled_from([None, TOMORROW]),
        expiry=st.sampled_from([None, YESTERDAY, TOMORROW]),
    ),
    max_size=6,
)


@given(_sightings, _rows, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_the_arguments_does_not_matter(
    sightings: list[Sighting], rows: list[AuthorisedUse], random: Any
) -> None:
    first = judge(*sightings, rows=tuple(rows))
    services, coverage = list(SERVICES), list(COMPLETE)
    for several in (sightings, rows, services, coverage):
        random.shuffle(several)
    second = reconcile(
        sightings + sightings,  # nor does a repetition
        coverage,
        inventory(*rows),
        services,
        unit="engineering",
        host="laptop-7",
        today=TODAY,
        emits=dict(reversed(EMITS.items())),
    )
    assert (second.findings, second.weak) == (first.findings, first.weak)
    assert len({finding.key for finding in first.findings}) == len(first.findings)
    for finding in first.findings:
        assert finding.identity != "low"
        assert all(reason.endswith(".") for reason in finding.reasons)
