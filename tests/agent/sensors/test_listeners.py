"""Listeners: who listens, which ports are asked what and how often, what answers become, where connections lead."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.sensors.planted import Host, fields, gaps

from aimscope_agent.host.facts import Answer
from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.readers.http_answers import fields as fields_of
from aimscope_agent.scan import ScanResult, scan
from aimscope_agent.sensor import Options
from aimscope_agent.sensors._listeners_questions import MOST_QUESTIONS, Owner, last_question, next_question, questions
from aimscope_agent.sensors.listeners import SENSOR
from aimscope_signatures.interests import Interests, ProbePlan
from aimscope_signatures.model import Status, Value

OLLAMA = ProbePlan("ollama", "/", (11434,), ("ollama", "pypi:ollama"))
OLLAMA_TAGS = ProbePlan("ollama", "/api/tags", (11434,), ("ollama", "pypi:ollama"))
WEBUI_CONFIG = ProbePlan("open-webui", "/api/config", (8080, 3000), ("open-webui", "pymod:open_webui"))
WEBUI = ProbePlan("open-webui", "/", (8080, 3000), ("open-webui", "pymod:open_webui"))
VLLM = ProbePlan("vllm", "/v1/models", (8000,), ("vllm", "pymod:vllm"))
SGLANG = ProbePlan("sglang", "/v1/models", (30000,), ("pymod:sglang",))
COMFY = ProbePlan("comfyui", "/", (8188, 8000), ("comfyui",))
MCP = ProbePlan("mcp-http-server", "/mcp", (3000, 8000, 8080))
MCP_SSE = ProbePlan("mcp-http-server", "/sse", (3000, 8000, 8080), accept="text/event-stream")
PLANS = (OLLAMA, OLLAMA_TAGS, WEBUI_CONFIG, WEBUI, VLLM, SGLANG, COMFY, MCP, MCP_SSE)
INTERESTS = Interests(probes=PLANS)

NOT_FOUND = {"status": 404, "headers": {"content-type": "text/plain"}, "body": "Not Found"}


@pytest.fixture
def linux(tmp_path: Path) -> Host:
    return Host(tmp_path)


def process(pid: int, name: str, argv: Sequence[str] = (), **more: object) -> dict[str, object]:
    return {"pid": pid, "name": name, "exe": f"/usr/bin/{name}", "argv": argv or [name], "user": "ann"} | more


def listening(port: int, pid: int = 0, address: str = "127.0.0.1") -> dict[str, object]:
    return {"address": address, "port": port, "pid": pid}


def remote(address: str, pid: int = 0, port: int = 443, own: int = 50_000) -> dict[str, object]:
    return {"address": "10.0.0.5", "port": own, "pid": pid, "remote_address": address, "remote_port": port}


def look(host: Host, sockets: Sequence[object], processes: Sequence[object] = (), **machine: object) -> ScanResult:
    return host.look(SENSOR, INTERESTS, sockets=sockets, processes=processes, **({"dns": {}} | machine))


def of(result: ScanResult, kind: str) -> list[dict[str, Value]]:
    return [each.fields for each in result.observations["listeners"] if each.kind == kind]


def asked(result: ScanResult) -> list[tuple[Value, Value]]:
    return [(each["port"], each["path"]) for each in of(result, "http.response")]


# who listens


def test_who_listens_where(linux: Host) -> None:
    argv = ["python3", "-m", "vllm.entrypoints.openai.api_server"]
    result = look(linux, [listening(9000, 5, "0.0.0.0"), listening(9000, 5, "::")], [process(5, "python3", argv)])
    assert of(result, "listener") == [
        {"address": "0.0.0.0", "port": 9000, "process": "python3", "package": "pymod:vllm"},
        {"address": "::", "port": 9000, "process": "python3", "package": "pymod:vllm"},
    ]
    assert {each.subject for each in result.observations["listeners"]} == {"ann"}


def test_workers_that_share_a_socket_are_one(linux: Host) -> None:
    workers = [process(5, "nginx"), process(6, "nginx", user="www")]
    assert len(of(look(linux, [listening(80, 5), listening(80, 6)], workers), "listener")) == 1


def test_a_socket_of_nobody_known_is_told_all_the_same(linux: Host) -> None:
    assert of(look(linux, [listening(22, 99)]), "listener") == [{"address": "127.0.0.1", "port": 22}]


def test_sockets_that_could_not_be_asked_are_one_gap(linux: Host) -> None:
    result = linux.look(SENSOR, INTERESTS)
    assert fields(result) == []
    assert gaps(result) == {(Status.UNSUPPORTED, "sockets")}


# which port is asked


def test_the_owners_name_decides_what_a_port_is_asked(linux: Host) -> None:
    probes = {"4711 *": {"status": 200, "body": "Ollama is running"}}
    assert asked(look(linux, [listening(4711, 5)], [process(5, "ollama")], probes=probes)) == [(4711, "/")]


def test_a_usual_port_is_asked_whoever_listens(linux: Host) -> None:
    probes = {"11434 *": NOT_FOUND}
    assert asked(look(linux, [listening(11434, 5)], [process(5, "rust-thing")], probes=probes)) == [
        (11434, "/"),
        (11434, "/api/tags"),
    ]


@pytest.mark.parametrize(
    ("name", "port", "paths"),
    [
        ("python3.12", 9123, ["/", "/v1/models"]),
        ("node", 9123, ["/", "/v1/models"]),
        ("docker-proxy", 9123, ["/", "/v1/models"]),
        ("", 9123, ["/", "/v1/models"]),
        ("rust-thing", 9123, []),
        ("python3.12", 999, []),
        ("python3.12", 5432, []),
        ("", 6379, []),
    ],
)
def test_a_port_of_no_known_product_is_asked_if_anything_may_run_there(
    linux: Host, name: str, port: int, paths: list[str]
) -> None:
    processes = [process(5, name)] if name else []
    result = look(linux, [listening(port, 5)], processes, probes={f"{port} *": NOT_FOUND})
    assert asked(result) == [(port, path) for path in paths]


def test_an_owners_own_script_does_not_hide_its_interpreter(linux: Host) -> None:
    flask = process(5, "python3", ["python3", "/home/ann/.venv/bin/flask", "run"])
    assert asked(look(linux, [listening(9123, 5)], [flask], probes={"9123 *": NOT_FOUND}))[0] == (9123, "/")


def test_only_loopback_and_wildcard_addresses_are_asked(linux: Host) -> None:
    probes = {"11434 *": NOT_FOUND}
    result = look(linux, [listening(11434, 5, "192.168.1.5")], [process(5, "ollama")], probes=probes)
    assert asked(result) == []
    assert gaps(result) == set()
    assert result.coverage[0].counts["ports beyond loopback"] == 1


@pytest.mark.parametrize(("address", "answers"), [("192.168.1.5", True), ("203.0.114.5", False), ("fe80::1", False)])
def test_addresses_of_the_lan_are_asked_where_that_is_allowed(tmp_path: Path, address: str, answers: bool) -> None:
    (tmp_path / "root").mkdir()
    about = {
        "platform": "linux",
        "sockets": [listening(11434, 5, address)],
        "processes": [process(5, "ollama")],
        "dns": {},
        "probes": {"11434 /": {"status": 200, "body": "Ollama is running"}},
    }
    (tmp_path / "machine.json").write_text(json.dumps(about))
    host = OfflineHost(tmp_path / "root", tmp_path / "machine.json")
    result = scan(host, [SENSOR], INTERESTS, Options(probe_lan=True), now=1)
    assert asked(result) == ([(11434, "/")] if answers else [])
    assert gaps(result) == set()


def test_a_port_on_several_addresses_is_asked_at_one(linux: Host) -> None:
    sockets = [listening(11434, 5, address) for address in ("::", "0.0.0.0", "127.0.0.1")]
    probes = {"11434 *": {"status": 200, "body": "Ollama is running"}}
    result = look(linux, sockets, [process(5, "ollama")], probes=probes)
    assert asked(result) == [(11434, "/")]


def test_no_more_silent_ports_of_unknown_purpose_than_a_few(linux: Host) -> None:
    result = look(linux, [listening(port) for port in range(9_000, 9_020)])
    assert result.coverage[0].counts["ports asked"] == 3
    assert result.coverage[0].counts["ports left alone"] == 17
    assert [gap.reason for gap in result.coverage[0].gaps if gap.source == "probes"] == [
        "3 ports kept us waiting: others of unknown purpose are not asked"
    ]


# what it is asked


def paths(port: int, owner: Owner) -> list[str]:
    return [question.path for question in questions(PLANS, port, owner)]


def test_what_fits_the_owner_comes_before_what_is_usual_at_the_port() -> None:
    assert paths(8080, Owner("ollama", program="ollama"))[:2] == ["/", "/api/tags"]
    assert paths(8000, Owner("python3", "pymod:vllm", "python3"))[0] == "/v1/models"
    assert paths(9, Owner("OLLAMA")) == ["/", "/api/tags"]


def test_anybodys_program_is_asked_for_what_no_product_has_to_itself() -> None:
    assert paths(8000, Owner("python3", "", "python3", "server.py"))[:2] == ["/mcp", "/sse"]
    assert paths(7860, Owner("python3", "", "python3", "app.py"))[0] == "/"  # whose page it is, its answer tells


def test_behind_a_forwarder_the_page_is_asked_for_and_then_the_most_usual_path() -> None:
    assert paths(8000, Owner("docker-proxy", program="docker-proxy"))[:2] == ["/", "/v1/models"]
    assert paths(8000, Owner())[:2] == ["/", "/v1/models"]


def test_what_calls_itself_an_mcp_server_is_asked_for_mcp_at_any_port() -> None:
    assert paths(4711, Owner("node", "npm:@playwright/mcp", "node", "cli.js")) == ["/mcp"]
    assert paths(4711, Owner("node", "npm:mcpherson", "node", "cli.js")) == ["/", "/v1/models"]


def test_no_path_is_asked_twice() -> None:
    for port in (80, 3000, 8000, 8080, 8188, 11434):
        for owner in (Owner(), Owner("ollama"), Owner("python3", "", "python3", "mcp.py")):
            assert len(set(paths(port, owner))) == len(paths(port, owner))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"/": {"status": 200, "body": "<title>Open WebUI</title>"}}, ["/"]),
        ({"/": {"status": 200, "headers": {"server": "open-webui"}}}, ["/"]),
        ({"*": NOT_FOUND}, ["/", "/api/config", "/v1/models"]),
        ({}, []),
    ],
)
def test_asking_ends_when_an_answer_names_the_product(
    linux: Host, answers: dict[str, object], expected: list[str]
) -> None:
    probes = {f"3000 {path}": answer for path, answer in answers.items()}
    result = look(linux, [listening(3000, 5)], [process(5, "docker-proxy")], probes=probes)
    assert [path for _, path in asked(result)] == expected


def test_an_answer_that_names_another_product_leads_to_its_question(linux: Host) -> None:
    page = {"status": 200, "body": "<html><title>Open WebUI</title>"}
    probes = {"8080 /mcp": page, "8080 /sse": page, "8080 /api/config": {"status": 200, "body": "{}"}}
    result = look(linux, [listening(8080, 5)], [process(5, "python3", ["python3", "main.py"])], probes=probes)
    assert asked(result) == [(8080, "/mcp"), (8080, "/api/config")]


OPENAI_LIKE = {"status": 200, "body": '{"object": "list", "data": [{"id": "corp-7b"}]}'}


@pytest.mark.parametrize(("port", "before"), [(9123, ["/"]), (8000, ["/mcp", "/sse"]), (11434, ["/", "/api/tags"])])
def test_anybodys_program_that_has_nothing_else_is_asked_whether_it_speaks_openais_api(
    linux: Host, port: int, before: list[str]
) -> None:
    server = process(5, "python3", ["python3", "serve.py"])
    probes = {f"{port} *": NOT_FOUND, f"{port} /v1/models": OPENAI_LIKE}
    result = look(linux, [listening(port, 5)], [server], probes=probes)
    assert asked(result) == [(port, path) for path in (*before, "/v1/models")]
    assert of(result, "http.response")[-1]["body"] == '{"object":"list","data":[{"id":"corp-7b"}]}'


def test_a_program_with_a_page_of_its_own_or_a_silent_one_is_not_asked_on(linux: Host) -> None:
    page = {"status": 200, "body": "<title>Shop</title>"}
    server = process(5, "python3", ["python3", "serve.py"])
    assert len(asked(look(linux, [listening(8000, 5)], [server], probes={"8000 *": page}))) == 2
    assert last_question(Owner("python3", program="python3"), {"/": None}) is None
    assert last_question(Owner("rust-thing"), {"/": Answer(404, {}, "")}) is None


def test_what_is_likely_gets_a_second_chance_and_what_is_not_does_not(linux: Host) -> None:
    probes = {"11434 /api/tags": {"status": 200, "body": "{}"}}
    assert asked(look(linux, [listening(11434, 5)], [process(5, "ollama")], probes=probes)) == [(11434, "/api/tags")]
    assert asked(look(linux, [listening(11434, 5)], [process(5, "rust-thing")], probes=probes)) == []


@given(
    st.integers(0, 70_000),
    st.builds(Owner, *[st.sampled_from(["", "ollama", "python3", "docker-proxy", "mcp", "x-y"])] * 4),
    st.lists(st.builds(Answer, st.integers(100, 599), body=st.text(max_size=60)) | st.none(), max_size=4),
)
def test_questions_end(port: int, owner: Owner, answers: list[Answer | None]) -> None:
    left = questions(PLANS, port, owner)
    while left and answers:
        following = next_question(left[0], answers.pop(), left[1:])
        left = [each for each in left[1:] if following and each is not following]
    assert MOST_QUESTIONS == 2


# what an answer becomes


def test_an_answer(linux: Host) -> None:
    answer = {
        "status": 200,
        "headers": {"Server": "x", "server": "uvicorn", "content-type": "text/html; charset=utf-8"},
        "body": "<html><TITLE lang='en'>\n Open &amp; WebUI </TITLE></html>",
    }
    (found,) = of(look(linux, [listening(9123)], probes={"9123 /": answer}), "http.response")
    assert (found["status"], found["server"], found["content_type"]) == (200, "uvicorn", "text/html")
    assert found["title"] == "Open & WebUI"
    assert "server: uvicorn" in str(found["headers"])


def test_json_is_compact_also_where_it_is_cut_short() -> None:
    assert fields_of(Answer(200, {}, ' {"models" : [ {"a": 1} ] }'))["body"] == '{"models":[{"a":1}]}'
    assert fields_of(Answer(200, {}, '{"a b" : [ "c\\" d'))["body"] == '{"a b":["c\\" d'
    assert fields_of(Answer(200, {}, "a  b"))["body"] == "a  b"
    assert len(str(fields_of(Answer(200, {}, "x" * 70_000))["body"])) == 4_096


def test_of_cookies_only_the_names_are_kept() -> None:
    headers = fields_of(Answer(200, {"set-cookie": "n8n-auth=EXAMPLE; Path=/"}))["headers"]
    assert headers == ("set-cookie: n8n-auth=…",)


@pytest.mark.parametrize(
    "body",
    ["[" * 60_000, '{"a":' * 10_000, "<title" * 10_000, "<title>" * 9_000, "[1e999]", "\x00", '["' + '\\"' * 30_000],
)
def test_hostile_bodies(body: str) -> None:
    assert len(str(fields_of(Answer(200, {}, body))["body"])) <= 4_096


@given(st.text(), st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=4))
def test_no_answer_is_too_odd(body: str, headers: dict[str, str]) -> None:
    assert fields_of(Answer(200, headers, body))["status"] == 200


# connections


def test_a_connection_has_the_name_this_machine_asked_for(linux: Host) -> None:
    sockets = [remote("203.0.113.7", 5), remote("203.0.113.8", 5)]
    result = look(linux, sockets, [process(5, "claude")], dns={"203.0.113.7": "API.Anthropic.com."})
    assert of(result, "connection") == [
        {"host": "api.anthropic.com", "port": 443, "process": "claude"},
        {"ip": "203.0.113.8", "port": 443, "process": "claude"},
    ]
    assert result.coverage[0].counts["connections without a name"] == 1


def test_many_connections_to_one_server_are_one(linux: Host) -> None:
    sockets = [remote("203.0.113.7", 5, own=own) for own in (50_000, 50_001)] + [remote("203.0.113.7", 5, port=80)]
    assert [each["port"] for each in of(look(linux, sockets, [process(5, "x")]), "connection")] == [80, 443]


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.0.1", "100.64.1.1", "169.254.169.254", "224.0.0.1"),
        *("::1", "fd00::1", "fe80::1", "fe80::1%eth0", "::ffff:10.0.0.1", "not an address", "0.0.0.0"),
    ],
)
def test_connections_within_are_none(linux: Host, address: str) -> None:
    assert of(look(linux, [remote(address, 5)], [process(5, "x")]), "connection") == []


@pytest.mark.parametrize("address", ["172.32.0.1", "100.128.0.1", "203.0.113.1", "2001:db8::1", "2606:4700::1"])
def test_connections_to_others_are(linux: Host, address: str) -> None:
    assert of(look(linux, [remote(address)]), "connection") == [{"ip": address, "port": 443}]


def test_who_connects_to_a_server_here_is_not_where_it_connects_to(linux: Host) -> None:
    sockets = [listening(8443, 5, "0.0.0.0"), remote("203.0.113.7", 5, own=8443)]
    assert of(look(linux, sockets, [process(5, "x")]), "connection") == []


def test_the_resolver_is_only_asked_for_connections(linux: Host) -> None:
    result = linux.look(SENSOR, INTERESTS, sockets=[listening(22)], processes=[])
    assert gaps(result) == set()
    result = linux.look(SENSOR, INTERESTS, sockets=[remote("203.0.113.7")], processes=[])
    assert gaps(result) == {(Status.UNSUPPORTED, "dns")}
