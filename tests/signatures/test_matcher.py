from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_signatures.catalogue import Catalogue, load
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Held, Observation, Value
from tests.signatures.conftest import HOLLY, write

MATCHES: list[tuple[str, dict[str, Value], str, str]] = [
    ("dns.query", {"name": "API.holly.example."}, "domains", "high"),
    ("tls.client_hello", {"server_name": "run.eu-1.cloud.example"}, "hosts", "high"),
    ("http.request", {"host": "saas.example", "path": "/holly/chat"}, "urls", "high"),
    ("code.endpoint", {"host": "saas.example", "url_path": "/holly/chat"}, "urls.code", "high"),
    ("process", {"name": "Holly.exe"}, "processes", "medium"),
    ("process", {"name": "node", "package": "npm:@holly/cli"}, "packages", "high"),
    ("process", {"exe": "C:\\x\\Holly.exe", "signer": "Holly Labs Ltd"}, "clauses.signed", "certain"),
    ("package", {"package": "pypi:Holly.SDK"}, "packages", "high"),
    ("code.package", {"package": "pymod:holly_sdk"}, "packages", "high"),
    ("application", {"id": "bundle:com.holly.app"}, "apps", "high"),
    ("application", {"id": "uninstall:Holly 2.0"}, "apps.windows_name", "medium"),
    ("editor_extension", {"id": "vscode:holly.holly"}, "extensions", "high"),
    ("config_file", {"path": "~/.holly"}, "config", "high"),
    ("mcp_server", {"client": "holly", "path": "~/.holly/mcp.json"}, "mcp_config", "high"),
    ("credential", {"env_name": "HOLLY_EU_TOKEN"}, "env", "high"),
    ("credential", {"key_pattern": "holly#0"}, "keys", "high"),
    ("container", {"image": "docker.io/holly/holly:2"}, "images", "high"),
    ("code.model", {"model": "holly-7b"}, "model_ids", "medium"),
    (
        "http.response",
        {"path": "/api/status", "status": 200, "body": '{"product":"holly"}'},
        "probes.status",
        "certain",
    ),
]
NEAR: list[tuple[str, dict[str, Value]]] = [
    ("dns.query", {"name": "notholly.example"}),
    ("dns.query", {"name": "holly.example.net"}),
    ("http.request", {"host": "saas.example", "path": "/other"}),
    ("process", {"name": "hollywood"}),
    ("process", {"name": "bash", "parent": "holly"}),
    ("process", {"exe": "C:\\x\\Holly.exe", "signer": "Somebody"}),
    ("package", {"package": "npm:holly-sdk"}),
    ("application", {"id": "winget:com.holly.app"}),
    ("config_file", {"path": "~/.hollyx/a"}),
    ("package", {"package": "pypi:flask", "path": "~/.holly/venv"}),
    ("credential", {"env_name": "HOLLY_API_KEYS"}),
    ("credential", {"env_name": "X", "process": "holly"}),
    ("http.response", {"path": "/api/status", "status": 404, "body": '{"product":"holly"}'}),
    ("http.response", {"path": "/", "status": 200, "body": '{"product":"holly"}', "process": "holly"}),
    ("account", {"path": "~/x", "domain": "holly.example"}),
    ("a.kind.of.the.future", {"name": "holly.example"}),
]


@pytest.mark.parametrize(("kind", "fields", "clause", "identity"), MATCHES)
def test_what_matches_says_by_which_clause_and_how_surely(
    holly: Catalogue, kind: str, fields: dict[str, Value], clause: str, identity: str
) -> None:
    (detection,) = Matcher(holly).match(Observation(kind, fields))
    assert (detection.service, detection.clause, detection.identity) == ("holly", clause, identity)
    assert detection.held


@pytest.mark.parametrize(("kind", "fields"), NEAR)
def test_near_misses_match_nothing(holly: Catalogue, kind: str, fields: dict[str, Value]) -> None:
    assert Matcher(holly).match(Observation(kind, fields)) == ()


def test_the_surest_clause_speaks_and_the_others_can_be_asked_for(holly: Catalogue) -> None:
    seen = Observation("process", {"name": "holly", "exe": "C:/x/holly.exe", "signer": "Holly Labs Ltd"})
    (detection,) = Matcher(holly).match(seen)
    assert detection.clause == "clauses.signed"
    assert Held("signer", "equals", "holly labs ltd") in detection.held
    assert Matcher(holly).holding(seen) == {("holly", "clauses.signed"), ("holly", "processes")}


def test_a_name_is_no_hint_where_the_file_tells_that_it_is_another_program(tmp_path: Path) -> None:
    head = HOLLY.partition("domains:")[0]
    program = "clauses: {{program: {{kind: process, all: {{{test}}}, identity: {identity}}}}}\n"
    ivy = program.format(test="exe: {glob: ['**/Ivy.app/**']}", identity="high")
    oak = program.format(test="name: {equals: [ivy]}", identity="low")
    for name, clause in (("ivy", ivy), ("oak", oak)):
        write(tmp_path, head.replace("holly", name) + clause, name)
    matcher = Matcher(load(tmp_path))

    def told(exe: str) -> set[str]:
        return {each.service for each in matcher.match(Observation("process", {"name": "Ivy", "exe": exe}))}

    assert told("/Applications/Ivy.app/Contents/MacOS/Ivy") == {"ivy"}
    assert told("/usr/local/bin/ivy") == {"oak"}


@pytest.mark.parametrize(
    ("name", "publisher", "found"),
    [
        ("Ivy", "Holly Labs Ltd", True),
        ("Ivy 0.6.9", "Holly Labs", True),
        ("IVY version 2.1-beta (x64)", "holly labs", True),
        ("Ivy Desktop (User)", "Holly", True),  # of the winget package Holly.Ivy Desktop
        ("Ivy", "Another", False),
        ("Ivy", "", False),
        ("Ivy Screensaver", "Holly Labs", False),
        ("Poison Ivy 1.0", "Holly Labs", False),
    ],
)
def test_what_windows_lists_by_name_and_publisher(tmp_path: Path, name: str, publisher: str, found: bool) -> None:
    head = HOLLY.partition("domains:")[0].replace("Holly\n", "Ivy\n").replace("Labs", "Labs (Oak)")
    write(tmp_path, head + "apps: {windows: [Holly.Ivy Desktop]}\n")
    seen = Observation("application", {"id": f"uninstall:{name}", "publisher": publisher})
    assert bool(Matcher(load(tmp_path)).match(seen)) is found


def test_a_kind_limits_how_sure_a_match_can_be(holly: Catalogue) -> None:
    (detection,) = Matcher(holly).match(Observation("code.model", {"model": "holly-1"}))
    assert detection.identity == KINDS["code.model"].ceiling == "medium"


def test_a_running_container_is_use_and_an_image_is_not(holly: Catalogue) -> None:
    matcher = Matcher(holly)
    presences = [
        matcher.match(Observation("container", {"image": "holly/holly", "running": running}))[0].presence
        for running in (True, False)
    ]
    assert presences == ["used", "installed"]


@given(
    st.sampled_from(sorted(KINDS)),
    st.dictionaries(
        st.sampled_from(sorted({name for kind in KINDS.values() for name in kind.fields})),
        st.one_of(st.text(max_size=40), st.integers(), st.booleans(), st.lists(st.text(max_size=9)).map(tuple)),
        max_size=5,
    ),
)
def test_no_observation_can_crash_the_matcher(kind: str, fields: dict[str, Value]) -> None:
    for detection in _SHIPPED.match(Observation(kind, fields)):
        assert detection.service in _SHIPPED.catalogue


def _shipped() -> Matcher:
    from aimscope_signatures.bundle import shipped

    return Matcher(shipped())


_SHIPPED = _shipped()
