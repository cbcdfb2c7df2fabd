"""Accounts: the domain an AI tool's own configuration tells, never the address."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.scan import ScanResult, scan
from aimscope_agent.sensor import Options
from aimscope_agent.sensors.accounts import SENSOR, _claimed
from aimscope_signatures.interests import Interests

Look = Callable[..., ScanResult]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Scan planted files of ann's home."""

    def run(files: Mapping[str, object], *ours: str) -> ScanResult:
        home = tmp_path / "root" / "home" / "ann"
        for name, content in files.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        about = tmp_path / "machine.json"
        about.write_text(json.dumps({"platform": "linux", "users": [{"name": "ann", "home": "/home/ann"}]}))
        options = Options(organisation_domains=ours)
        return scan(OfflineHost(tmp_path / "root", about), [SENSOR], Interests(), options, now=1)

    return run


def fields(result: ScanResult) -> list[dict[str, object]]:
    return [dict(found.fields) for found in result.observations["accounts"]]


def token(claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{payload}.c2ln"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (".claude.json", {"oauthAccount": {"emailAddress": "Ann.Smith@Corp.Example", "accountUuid": "u"}}),
        (
            ".codex/auth.json",
            {"OPENAI_API_KEY": None, "tokens": {"id_token": token({"email": "ann.smith@corp.example"})}},
        ),
        (".cursor/cli-config.json", {"authInfo": {"email": "ann.smith@corp.example", "userId": 3}}),
        (".gemini/google_accounts.json", {"active": "ann.smith@corp.example", "old": ["ann@other.example"]}),
    ],
)
def test_each_tool_tells_the_domain_and_never_the_address(look: Look, file: str, content: object) -> None:
    result = look({file: content})
    assert fields(result) == [{"path": f"~/{file}", "domain": "corp.example"}]
    assert result.observations["accounts"][0].subject == "ann"
    assert b"smith" not in msgspec.json.encode(result).lower()


@pytest.mark.parametrize(
    ("domain", "organisational"),
    [
        ("corp.example", True),
        ("de.corp.example", True),
        ("notcorp.example", False),
        ("corp.example.org", False),
        ("mail.example", False),
    ],
)
def test_a_domain_of_the_organisation_is_told_from_others(look: Look, domain: str, organisational: bool) -> None:
    (found,) = fields(
        look({".gemini/google_accounts.json": {"active": f"a@{domain}"}}, "Corp.Example.", "other.example")
    )
    assert found["organisational"] is organisational


@pytest.mark.parametrize(
    "active",
    [
        None,
        "",
        "ann",
        "@corp.example",
        "ann@",
        "ann@localhost",
        "ann@corp example",
        "a@b@c.example",
        3,
        ["a@b.example"],
        {},
    ],
)
def test_what_is_no_address_is_no_account(look: Look, active: object) -> None:
    assert fields(look({".gemini/google_accounts.json": {"active": active}})) == []


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"tokens": None},
        {"tokens": []},
        {"tokens": {"id_token": None}},
        {"tokens": {"id_token": "a.b.c"}},
        {"tokens": {"id_token": "only.two"}},
        {"tokens": {"id_token": token({"sub": "x"})}},
        {"tokens": {"id_token": token({"email": 5})}},
        {"tokens": {"id_token": token(["ann@corp.example"])}},
        {"tokens": {"access_token": token({"email": "ann@corp.example"})}},
        ["tokens"],
    ],
)
def test_a_token_without_an_address_is_no_account(look: Look, content: object) -> None:
    assert fields(look({".codex/auth.json": content})) == []


def test_a_torn_file_is_a_gap_and_the_others_are_read(look: Look) -> None:
    result = look(
        {".claude.json": b'{"oauthAccount": {"emai', ".gemini/google_accounts.json": {"active": "a@b.example"}}
    )
    assert [found["domain"] for found in fields(result)] == ["b.example"]
    assert [gap.source for part in result.coverage for gap in part.gaps] == ["~/.claude.json"]


@given(st.text(max_size=200) | st.text(alphabet="ab.=-_é{", max_size=40))
def test_any_token_is_read_or_passed_over(text: str) -> None:
    assert _claimed(text) is None or isinstance(_claimed(text), str)


def test_a_deep_token_is_passed_over() -> None:
    payload = base64.urlsafe_b64encode(b'{"email": ' + b"[" * 40_000).decode()
    assert _claimed(f"a.{payload}.c") is None
