"""The catalogue as the collector sees it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from aimscope_collector.from_catalogue import services_of
from aimscope_signatures.catalogue import Catalogue, compiled
from aimscope_signatures.signature import Apps, Attribute, ClauseSpec, Probe, Signature


def signature(**sections: Any) -> Signature:
    return Signature(
        **{
            "id": "holly",
            "name": "Holly",
            "vendor": "Holly Labs",
            "category": "assistant",
            "surface": ("web",),
            "homepage": "https://holly.example",
            "summary": "An assistant that does not exist.",
            "maturity": "stable",
            **sections,
        }
    )


@pytest.mark.parametrize(
    ("sections", "kinds"),
    [
        ({"domains": ("holly.example",)}, set()),
        ({"ips": ("192.0.2.0/24",), "user_agents": ("holly/*",)}, set()),
        ({"apps": Apps(linux=("holly",))}, {"application"}),
        ({"config": ("~/.holly",)}, {"config_file"}),
        ({"images": ("holly/holly",)}, {"container"}),
        ({"model_ids": ("holly-*",)}, {"model"}),
        ({"probes": {"api": Probe(path="/", title=("Holly*",))}}, set()),
        ({"clauses": {"x": ClauseSpec("process", {"exe": {"basename": ("holly",)}})}}, set()),
        ({"clauses": {"x": ClauseSpec("application", {"name": {"equals": ("Holly",)}})}}, {"application"}),
    ],
)
def test_kinds_that_prove_absence(sections: dict[str, Any], kinds: set[str]) -> None:
    (service,) = services_of(Catalogue([compiled(signature(**sections))], "v"))
    found = service.kinds
    assert found is not None
    assert kinds <= found
    assert found.isdisjoint({"dns.query", "connection", "process", "http.response", "code.package", "browser.visit"})
    assert bool(found) == bool(kinds)


def test_what_is_taken_over() -> None:
    attribute = Attribute("opt-out", "https://holly.example/privacy", datetime.date(2026, 11, 1))
    given = signature(
        domains=("holly.example",),
        hosts=("run.*.cloud.example",),
        aliases=("Holly AI",),
        governance={"trains_on_input": attribute},
    )
    (service,) = services_of(Catalogue([compiled(given)], "v"))
    assert (service.id, service.name, service.vendor, service.category) == ("holly", "Holly", "Holly Labs", "assistant")
    assert service.domains == ("holly.example", "run.*.cloud.example")
    assert service.aliases == ("Holly AI",)
    assert service.trains_on_input == "opt-out"
