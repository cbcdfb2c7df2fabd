"""`aimscope scan names`, as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.agent.intake.test_resolving import nameserver
from tests.cli.conftest import Answer, Run

ZONE = """$ORIGIN corp.example.
$TTL 300
@      IN SOA ns1 hostmaster 1 3600 600 86400 300
chat   IN CNAME corp-chat.azurewebsites.net.
llm    IN CNAME assistant
assistant IN CNAME corp-llm.openai.azure.com.
www    IN A 10.0.0.80
"""


def found(answer: Answer) -> dict[str, list[dict[str, Any]]]:
    report = json.loads(answer.stdout)
    return {finding["service"]: finding["evidence"] for finding in report["findings"]}


def test_a_zone_file_is_followed_without_a_question(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "corp.zone").write_text(ZONE)
    answer = aimscope("scan", "names", "corp.zone", "--json", "-q")
    assert answer.exit_code == 0, answer.stderr
    services = found(answer)
    assert list(services) == ["azure-openai"]
    assert {each["fields"]["name"] for each in services["azure-openai"]} == {
        "llm.corp.example",
        "assistant.corp.example",
    }
    report = json.loads(answer.stdout)
    assert {gap["source"] for gap in report["coverage"][0]["gaps"]} >= {"chat.corp.example"}
    assert all(gap["remedy"] == "--resolve" for gap in report["coverage"][0]["gaps"])


def test_the_resolver_is_asked_for_the_rest(aimscope: Run, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("# internal\nchat.corp.example\nllm.corp.example\n10.0.0.7\n")
    aliases = {
        "chat.corp.example": "corp-chat.azurewebsites.net",
        "llm.corp.example": "corp.openai.azure.com",
        "7.0.0.10.in-addr.arpa": "gpu-01.openai.azure.com",
    }
    with nameserver(aliases) as at:
        answer = aimscope("scan", "names", "names.txt", "--resolver", f"{at.address}:{at.port}", "--json", "-q")
    services = found(answer)
    assert list(services) == ["azure-openai"]
    targets = {each["fields"]["target"] for each in services["azure-openai"]}
    assert targets == {"corp.openai.azure.com", "gpu-01.openai.azure.com"}
    report = json.loads(answer.stdout)
    assert report["complete"] is True
    assert report["coverage"][0]["counts"]["addresses"] == 1


def test_a_loop_and_a_silent_resolver_are_gaps(aimscope: Run) -> None:
    with nameserver({"a.example": "b.example", "b.example": "a.example"}) as at:
        answer = aimscope("scan", "names", "a.example", "--resolver", f"{at.address}:{at.port}", "--json", "-q")
    assert [gap["reason"] for gap in json.loads(answer.stdout)["coverage"][0]["gaps"]] == ["an alias of itself"]


def test_a_name_that_is_itself_ais_is_told(aimscope: Run) -> None:
    answer = aimscope("scan", "names", "api.openai.com", "intranet.corp.example", "--json", "-q")
    assert len(found(answer)) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$ORIGIN corp.example.\n$INCLUDE other.zone\n", "2: zone file directive"),
        ("$ORIGIN corp.example.\nwww IN A 10.0.0.999\n", "2: "),
        ("www IN A 10.0.0.1\n", "--origin"),
    ],
)
def test_a_zone_file_that_cannot_be_read_is_said_with_its_line(
    aimscope: Run, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "corp.zone").write_text(text)
    answer = aimscope("scan", "names", "corp.zone")
    assert answer.exit_code == 2
    assert f"corp.zone: {said}" in answer.stderr.replace("names without a dot at their end, and no $ORIGIN: say ", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no such thing"], "no name"),
        (["a.example", "--resolver", "dns.example"], "resolver"),
        (["*.corp.example"], "no name"),
    ],
)
def test_what_cannot_be_meant_is_said(aimscope: Run, arguments: list[str], said: str) -> None:
    answer = aimscope("scan", "names", *arguments)
    assert answer.exit_code == 2
    assert said in answer.stderr
