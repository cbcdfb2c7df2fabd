"""Likelihood, impact and what they are made of."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimscope_collector.inventory.model import Weights
from aimscope_collector.risk import level, rate
from aimscope_collector.services import Service
from aimscope_signatures.model import Sighting
from tests.collector.example import SERVICES, see

BY_ID = {service.id: service for service in SERVICES}
USED = see("cursor", "process", presence="used", name="Cursor")


def names(*sightings: Sighting, service: Service | None, personal: bool = False) -> set[str]:
    return {f.name for f in rate(sightings, service, personal_account=personal, weights=Weights()).factors}


def sent(number: int | None) -> Sighting:
    return msgspec.structs.replace(see("chatgpt", "connection", host="chatgpt.com"), bytes_out=number)


FACTORS: list[tuple[str, str, Sighting, bool]] = [
    (
        "upload_volume",
        "chatgpt",
        sent(10_000_000),
        True,
    ),
    (
        "upload_volume",
        "chatgpt",
        sent(9_999_999),
        False,
    ),
    ("upload_volume", "chatgpt", sent(None), False),
    ("credential", "openai-api", see("openai-api", "credential", env_name="OPENAI_API_KEY"), True),
    ("credential", "openai-api", see("openai-api", package="pypi:openai"), False),
    ("remote_mcp", "cursor", see("cursor", "mcp_server", client="cursor", name="x", host="mcp.example.com"), True),
    ("remote_mcp", "cursor", see("cursor", "mcp_server", client="cursor", name="x", details={"remote": "True"}), True),
    ("remote_mcp", "cursor", see("cursor", "mcp_server", client="cursor", name="x", host="localhost"), False),
    ("agentic", "cursor", see("cursor", "mcp_server", client="cursor", name="x"), True),
    ("agentic", "cursor", USED, False),
    ("trains_on_input", "chatgpt", see("chatgpt", "dns.query", name="chatgpt.com"), True),
    ("trains_on_input", "cursor", USED, False),
    ("unknown_vendor", "mystery", see("mystery"), True),
    ("unknown_vendor", "cursor", USED, False),
    ("local_only", "ollama", see("ollama", "model", id="llama3"), True),
    ("local_only", "ollama", see("ollama", "connection", process="ollama", host="ollama.com"), False),
    ("local_only", "cursor", USED, False),
    ("many_evidences", "cursor", USED, False),
]


@pytest.mark.parametrize(("factor", "service", "sighting", "counts"), FACTORS)
def test_factor(factor: str, service: str, sighting: Sighting, counts: bool) -> None:
    assert (factor in names(sighting, service=BY_ID[service])) is counts


def test_five_pieces_of_evidence_are_many_and_repetition_is_none() -> None:
    pieces = [see("cursor", package=f"npm:{number}") for number in range(5)]
    assert "many_evidences" in names(*pieces, service=BY_ID["cursor"])
    again = [see("cursor", subject=f"user{number}", package="npm:x") for number in range(5)]
    assert "many_evidences" not in names(*again, service=BY_ID["cursor"])


def test_no_service_means_an_unknown_vendor() -> None:
    assert "unknown_vendor" in names(see("", "dns.query", name="x.example"), service=None)


def test_the_rating_follows_from_its_factors() -> None:
    rating = rate([USED], BY_ID["cursor"], personal_account=True, weights=Weights())
    assert (rating.likelihood, rating.impact, rating.level) == (4, 3, "high")  # 1 + 2 + 0.5 rounded up; 2 + 1
    assert {(f.name, f.side, f.weight) for f in rating.factors} == {
        ("presence_used", "likelihood", 2.0),
        ("identity_high", "likelihood", 0.5),
        ("personal_account", "impact", 1.0),
    }
    assert all(f.sentence.endswith(".") for f in rating.factors)


@pytest.mark.parametrize(
    ("likelihood", "impact", "expected"),
    [
        (1, 1, "low"),
        (2, 2, "low"),
        (1, 5, "medium"),
        (3, 3, "medium"),
        (2, 5, "high"),
        (3, 5, "high"),
        (4, 4, "critical"),
    ],
)
def test_matrix(likelihood: int, impact: int, expected: str) -> None:
    assert level(likelihood, impact) == level(impact, likelihood) == expected


@given(st.floats(-5, 5), st.floats(-5, 5))
@settings(deadline=None)
def test_sides_stay_between_one_and_five(base: float, weight: float) -> None:
    weights = Weights(likelihood_base=base, impact_base=base, presence_used=weight, personal_account=weight)
    rating = rate([USED], None, personal_account=True, weights=weights)
    assert 1 <= rating.likelihood <= 5
    assert 1 <= rating.impact <= 5
