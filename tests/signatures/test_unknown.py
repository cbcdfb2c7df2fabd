from __future__ import annotations

import pytest

from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Observation, Value
from aimscope_signatures.unknown import candidate

LIST = '{"object":"list","data":[{"id":"m"}]}'


@pytest.mark.parametrize(
    ("kind", "fields", "clause"),
    [
        ("model", {"id": "tiny", "format": "gguf"}, "unknown.model_weights"),
        ("mcp_server", {"client": "holly", "name": "crm", "path": "~/.holly/mcp.json"}, "unknown.mcp_server"),
        ("http.response", {"path": "/v1/models", "status": 200, "body": LIST}, "unknown.openai_compatible"),
    ],
)
def test_ai_in_no_catalogue_is_told_by_what_it_is(
    holly: Catalogue, kind: str, fields: dict[str, Value], clause: str
) -> None:
    seen = Observation(kind, fields)
    found = candidate(seen, Matcher(holly).match(seen))
    assert found is not None
    assert (found.service, found.clause, found.identity) == ("", clause, "medium")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("model", {"id": "holly-7b", "format": "gguf"}),  # the catalogue knows it
        ("model", {"id": "weights"}),  # nothing says what it is
        ("mcp_server", {"client": "x", "name": "h", "package": "npm:@holly/cli"}),
        ("mcp_server", {"client": "x"}),
        ("http.response", {"path": "/v1/models", "status": 404, "body": LIST}),
        ("http.response", {"path": "/", "status": 200, "body": LIST}),
        ("http.response", {"path": "/v1/models", "status": 200, "body": "ok"}),
        ("process", {"name": "something"}),
        ("a.kind.of.the.future", {}),
    ],
)
def test_what_is_known_or_says_nothing_is_no_candidate(holly: Catalogue, kind: str, fields: dict[str, Value]) -> None:
    seen = Observation(kind, fields)
    assert candidate(seen, Matcher(holly).match(seen)) is None
