"""Clients of a gateway, servers of a network, devices of an export: each is judged as the machine it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aimscope_agent.config import Privacy
from aimscope_agent.privacy import Curtain
from aimscope_agent.traffic.seen import Seen
from aimscope_cli import following
from aimscope_cli.concluding import Outcome, conclude, prepare
from aimscope_cli.report import Report
from aimscope_cli.watching import Herald, Line
from aimscope_signatures.fold import fold
from aimscope_signatures.model import Detection, Observation, Value
from tests.agent.intake.net_servers import site
from tests.cli.conftest import Answer, Run
from tests.cli.test_net import OLLAMA
from tests.cli.test_pcap import capture, traffic

SEVEN, EIGHT, NINE = "10.0.0.7", "10.0.0.8", "10.0.0.9"
ONLY_SEVEN = "{name: ChatGPT, services: [chatgpt], status: approved, hosts: [10.0.0.7]}"
JAMF = """\
Computer Name,Username,Last Inventory Update,Application Title,Application Version,Application Bundle ID
MAC-32,hal,2026-11-19 12:00:00,ChatGPT.app,1.2,com.openai.chat
MAC-33,ida,2026-11-19 12:00:00,ChatGPT.app,1.2,com.openai.chat
"""


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("{}")
    monkeypatch.setenv("AIMSCOPE_CONFIG", str(path))
    monkeypatch.setenv("AIMSCOPE_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(following, "_PAUSE", 0.01)
    return path


def squid(*clients: str, host: str = "chatgpt.com", blocked: bool = False) -> str:
    how, way = ("TCP_DENIED/403", "HIER_NONE/-") if blocked else ("TCP_TUNNEL/200", "HIER_DIRECT/192.0.2.1")
    return "".join(f"1795000000.123     90 {client} {how} 512 CONNECT {host}:443 - {way} -\n" for client in clients)


def inventory(folder: Path, *systems: str, ignores: str = "") -> Path:
    path = folder / "inventory.yaml"
    listed = "".join(f"  - {system}\n" for system in systems)
    path.write_text(f"aimscope_inventory: 1\nsystems:\n{listed}" + (f"ignores:\n  - {ignores}\n" if ignores else ""))
    return path


def judged(answer: Answer) -> dict[tuple[str, str, str], list[str]]:
    """Service, condition and verdict → devices."""
    return {
        (row["service"], row["condition"], row["verdict"]): [one.get("asset", "") for one in row.get("evidence", ())]
        for row in report(answer)["findings"]
        if row["verdict"] != "dormant"
    }


def report(answer: Answer) -> dict[str, Any]:
    """The report, which stands at the end of what ``watch`` says."""
    text = answer.stdout if answer.stdout.startswith("{\n") else answer.stdout.splitlines()[-1]
    return dict(json.loads(text))


SPLIT = {("chatgpt", "", "authorised"): [SEVEN], ("chatgpt", "out_of_scope", "out_of_scope"): [EIGHT]}


def test_logs(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "access.log").write_text(squid(SEVEN, EIGHT) + squid(NINE, host="www.example.com"))
    held = inventory(tmp_path, ONLY_SEVEN)
    answer = aimscope("scan", "logs", "access.log", "--inventory", held, "--json")
    assert (judged(answer), answer.exit_code) == (SPLIT, 0)
    text = aimscope("scan", "logs", "access.log", "--inventory", held, "--explain")
    assert "only for the machine 10.0.0.7; here it is 10.0.0.8." in text.stdout


@pytest.mark.parametrize(
    ("hosts", "authorised", "out_of_scope"),
    [
        ("10.0.0.0/24", [SEVEN, EIGHT], []),
        ("10.0.0.8/29", [EIGHT], [SEVEN]),
        ("10.0.0.*", [SEVEN, EIGHT], []),
        ("10.0.0.80", [], [SEVEN, EIGHT]),
        ("110.0.0.7", [], [SEVEN, EIGHT]),
    ],
)
def test_how_rows_name_clients(
    aimscope: Run, tmp_path: Path, hosts: str, authorised: list[str], out_of_scope: list[str]
) -> None:
    (tmp_path / "access.log").write_text(squid(SEVEN, EIGHT))
    held = inventory(tmp_path, f"{{name: ChatGPT, services: [chatgpt], status: approved, hosts: ['{hosts}']}}")
    found = judged(aimscope("scan", "logs", "access.log", "--inventory", held, "--json"))
    by_verdict = {verdict: devices for (_, _, verdict), devices in found.items()}
    assert by_verdict.get("authorised", []) == authorised
    assert by_verdict.get("out_of_scope", []) == out_of_scope


def test_ignores_with_hosts(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "access.log").write_text(squid(SEVEN, EIGHT))
    ignore = "{service: chatgpt, reason: A test., expiry: 2099-01-01, hosts: [10.0.0.8]}"
    held = inventory(tmp_path, ONLY_SEVEN, ignores=ignore)
    answer = aimscope("scan", "logs", "access.log", "--inventory", held, "--json")
    assert judged(answer) == {("chatgpt", "", "authorised"): [SEVEN]}
    assert report(answer)["ignored"] == 1


@pytest.mark.parametrize(
    ("keep", "said"),
    [("pseudonym", "devices have pseudonyms here"), ("drop", "the machine is not known here")],
)
def test_devices_that_are_not_shown_cannot_be_told_apart(
    aimscope: Run, tmp_path: Path, configuration: Path, keep: str, said: str
) -> None:
    configuration.write_text(f"privacy: {{devices: {keep}}}\n")
    (tmp_path / "access.log").write_text(squid(SEVEN, EIGHT))
    answer = aimscope("scan", "logs", "access.log", "--inventory", inventory(tmp_path, ONLY_SEVEN), "--json")
    (row,) = report(answer)["findings"]
    assert (row["verdict"], row["condition"]) == ("out_of_scope", "")
    assert said in row["reasons"][0]


# attempts that were blocked


@pytest.mark.parametrize("row", ["{name: Claude, services: [claude], status: prohibited}", ONLY_SEVEN])
def test_attempts_that_were_blocked_are_listed_and_are_no_use(aimscope: Run, tmp_path: Path, row: str) -> None:
    log = tmp_path / "access.log"
    held = inventory(tmp_path, row)
    verdict = "unregistered" if row == ONLY_SEVEN else "prohibited"
    log.write_text(squid(SEVEN, EIGHT, host="claude.ai", blocked=True))
    answer = aimscope("scan", "logs", log, "--inventory", held, "--json")
    assert (judged(answer), answer.exit_code) == ({("claude", "", verdict): [SEVEN, EIGHT]}, 0)
    assert [found["blocked"] for found in report(answer)["findings"]] == [True]
    assert "in use" not in aimscope("scan", "logs", log, "--inventory", held, "--explain").stdout
    log.write_text(squid(SEVEN, host="claude.ai", blocked=True) + squid(EIGHT, host="claude.ai"))
    answer = aimscope("scan", "logs", log, "--inventory", held, "--json")
    assert (list(judged(answer)), answer.exit_code) == ([("claude", "", verdict)], 3)
    assert not any(found.get("blocked") for found in report(answer)["findings"])


# the same wherever it was seen


def test_packets(aimscope: Run, tmp_path: Path) -> None:
    frames = [frame for client in (SEVEN, EIGHT) for frame in traffic("chatgpt.com", client=client)]
    path = capture(tmp_path / "a.pcap", *frames)
    answer = aimscope("scan", "pcap", path, "--inventory", inventory(tmp_path, ONLY_SEVEN), "--json", "-q")
    found = {verdict: set(devices) for (_, _, verdict), devices in judged(answer).items()}
    assert found == {"authorised": {SEVEN}, "out_of_scope": {EIGHT}}


@pytest.mark.parametrize(("hosts", "verdict"), [("127.0.0.0/8", "authorised"), ("127.0.0.2", "out_of_scope")])
def test_servers_of_a_network(aimscope: Run, tmp_path: Path, hosts: str, verdict: str) -> None:
    held = inventory(tmp_path, f"{{name: Ollama, services: [ollama], status: approved, hosts: [{hosts}]}}")
    with site(OLLAMA) as running:
        answer = aimscope("scan", "net", "127.0.0.1", "--ports", str(running.port), "--inventory", held, "--json", "-q")
    assert judged(answer) == {("ollama", "", verdict): ["127.0.0.1"]}


def test_devices_of_an_export(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "search.csv").write_text(JAMF)
    held = inventory(tmp_path, "{name: ChatGPT, services: [chatgpt], status: approved, hosts: [mac-32]}")
    answer = aimscope("import", "jamf", "search.csv", "--inventory", held, "--json")
    assert judged(answer) == {
        ("chatgpt", "", "authorised"): ["MAC-32"],
        ("chatgpt", "out_of_scope", "out_of_scope"): ["MAC-33"],
    }


def test_what_is_said_as_it_appears_in_a_log(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "access.log").write_text(squid(SEVEN, EIGHT) + squid(NINE, host="claude.ai", blocked=True))
    held = inventory(tmp_path, ONLY_SEVEN)
    answer = aimscope("watch", "--once", "--log", "access.log", "--inventory", held, "--json")
    *lines, _ = map(json.loads, answer.stdout.splitlines())
    assert {(line["client"], line["service"], line["presence"], line["verdict"]) for line in lines} == {
        (SEVEN, "chatgpt", "used", "authorised"),
        (EIGHT, "chatgpt", "used", "out_of_scope"),
        (NINE, "claude", "attempted", "unregistered"),
    }
    assert {key: devices for key, devices in judged(answer).items() if key[0] == "chatgpt"} == SPLIT


def test_what_is_said_as_it_appears_on_the_wire(tmp_path: Path) -> None:
    lines: list[Line] = []
    ignore = "{service: chatgpt, reason: A test., expiry: 2099-01-01, hosts: [10.0.0.9]}"
    herald = Herald(prepare(inventory(tmp_path, ONLY_SEVEN, ignores=ignore)), Curtain(Privacy()), lines.append)
    for client in (SEVEN, EIGHT, NINE, SEVEN, EIGHT):
        herald.found(Seen("tls_sni", "chatgpt.com", client, "203.0.113.9", 1_763_900_000.0))
    assert [(line.client, line.verdict) for line in lines] == [(SEVEN, "authorised"), (EIGHT, "out_of_scope")]


def blocked(made: Observation) -> Observation:
    return msgspec.structs.replace(made, fields={**made.fields, "blocked": True})


def test_a_use_that_follows_a_blocked_attempt_is_said_and_not_the_other_way_round(tmp_path: Path) -> None:
    lines: list[Line] = []
    herald = Herald(prepare(inventory(tmp_path, ONLY_SEVEN)), Curtain(Privacy()), lines.append)

    def asked(client: str) -> Observation:
        return Observation("http.request", {"host": "claude.ai"}, asset=client, at=1_763_900_000)

    for made in (blocked(asked(SEVEN)), blocked(asked(SEVEN)), asked(SEVEN), asked(EIGHT), blocked(asked(EIGHT))):
        herald.observed(made)
    assert [(line.client, line.presence) for line in lines] == [
        (SEVEN, "attempted"),
        (SEVEN, "used"),
        (EIGHT, "used"),
    ]


def test_a_hint_or_an_ignored_lookup_does_not_keep_the_use_from_being_said(tmp_path: Path) -> None:
    lines: list[Line] = []
    ignore = "{service: claude, kind: dns.query, reason: A test., expiry: 2099-01-01}"
    held = inventory(tmp_path, ONLY_SEVEN, ignores=ignore)
    herald = Herald(prepare(held), Curtain(Privacy()), lines.append)
    herald.observed(Observation("dns.query", {"name": "claude.ai"}, asset=SEVEN, at=1_763_900_000))
    assert lines == []
    herald.observed(Observation("http.request", {"host": "claude.ai"}, asset=SEVEN, at=1_763_900_000))
    assert [(line.client, line.kind) for line in lines] == [(SEVEN, "http.request")]


def test_ai_in_no_catalogue_is_said_by_what_it_is(tmp_path: Path) -> None:
    lines: list[Line] = []
    herald = Herald(prepare(inventory(tmp_path, ONLY_SEVEN)), Curtain(Privacy()), lines.append)
    for host in ("llm.corp.example", "llm.corp.example", "other.corp.example"):
        fields: dict[str, Value] = {"host": host, "path": "/v1/chat/completions"}
        herald.observed(Observation("http.request", fields, asset=SEVEN, at=1_763_900_000))
    assert [line.host for line in lines] == ["llm.corp.example", "other.corp.example"]
    assert {line.verdict for line in lines} == {"unknown_ai"}


def concluded(folder: Path, asset: str, *systems: str, **about: str) -> Report:
    """A look at something without a name of its own, at which ``asset`` used ChatGPT."""
    seen = fold([_USE], asset)
    told: dict[str, Any] = {"scope": "host", "target": "an image", "host": "", **_REST, **about}
    outcome = Outcome(**told, sightings=seen)
    return conclude(outcome, prepare(inventory(folder, *systems)))


_SEEN = Observation("http.request", {"host": "chatgpt.com"}, at=1_763_900_000)
_USE = Detection("chatgpt", "domains", "high", "used", (), _SEEN)
_REST: dict[str, Any] = {"platform": "linux", "started": 1, "finished": 1, "coverage": (), "emits": {}}


def test_an_image_without_a_name_is_no_machine_that_is_called_as_it_was_described(tmp_path: Path) -> None:
    (row,) = concluded(tmp_path, "an image", ONLY_SEVEN.replace("10.0.0.7", "an image")).findings
    assert (row.verdict, row.evidence[0].asset) == ("out_of_scope", "")
    assert "the machine is not known here" in row.reasons[0]
    (row,) = concluded(tmp_path, SEVEN, ONLY_SEVEN, scope="names", target=SEVEN).findings
    assert (row.verdict, row.evidence[0].asset) == ("authorised", SEVEN)


def test_a_machine_with_a_name_is_told_by_it(tmp_path: Path) -> None:
    only = ONLY_SEVEN.replace("10.0.0.7", "laptop-7")
    assert [row.verdict for row in concluded(tmp_path, "laptop-7", only, host="laptop-7").findings] == ["authorised"]
    assert [row.verdict for row in concluded(tmp_path, "laptop-8", only, host="laptop-8").findings] == ["out_of_scope"]


def test_ai_in_no_catalogue_counts_once_where_machines_are_judged_differently(aimscope: Run, tmp_path: Path) -> None:
    asked = {"ts": 1_795_000_000.5, "id.resp_h": "198.51.100.3", "trans_depth": 1, "uri": "/v1/chat/completions"}
    lines = [json.dumps({**asked, "id.orig_h": client, "host": "llm.corp.example"}) for client in (SEVEN, EIGHT)]
    (tmp_path / "http.log").write_text("\n".join(lines) + "\n")
    own = "{name: Our model, domains: [llm.corp.example], status: approved, hosts: [10.0.0.7]}"
    answer = aimscope("scan", "logs", "http.log", "--inventory", inventory(tmp_path, own), "--json")
    assert sorted(verdict for _, _, verdict in judged(answer)) == ["authorised", "out_of_scope"]
    assert report(answer)["summary"] == {"out_of_scope": 1}
