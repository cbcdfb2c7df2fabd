from __future__ import annotations

from pathlib import Path

import pytest

from aimscope_agent.config import Config
from aimscope_cli import settings as places
from aimscope_cli.output import Failure
from aimscope_cli.settings import config_file, curtain, settings
from aimscope_signatures.model import Observation


@pytest.fixture(autouse=True)
def nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIMSCOPE_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("AIMSCOPE_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(places, "SYSTEM_CONFIG", tmp_path / "etc/config.yaml")
    monkeypatch.setattr("platformdirs.user_config_path", lambda name: tmp_path / "config" / name)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_no_file_is_fine() -> None:
    assert (config_file(), settings()) == (None, Config())


def test_the_nearest_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = write(tmp_path / "etc/config.yaml", "privacy: {users: drop}")
    assert config_file() == system
    user = write(tmp_path / "config/aimscope/config.yaml", "privacy: {users: pseudonym}")
    assert (config_file(), settings().privacy.users) == (user, "pseudonym")
    stated = write(tmp_path / "stated.yaml", "gateway: {names_on_live_traffic: true}")
    monkeypatch.setenv("AIMSCOPE_CONFIG", str(stated))
    assert settings().gateway.names_on_live_traffic


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("privacy: {users: never}", "users"),
        ("gatway: {}", "gatway"),
        ("privacy: [", "config.yaml"),
        (None, "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_said(
    text: str | None, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv("AIMSCOPE_CONFIG", str(path))
    with pytest.raises(Failure, match=says):
        settings()


def test_pseudonyms_stay_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIMSCOPE_CONFIG", str(write(tmp_path / "c.yaml", "privacy: {devices: pseudonym}")))
    made = Observation("dns.query", {"name": "x.ai", "client": "10.0.0.5"}, asset="10.0.0.5")
    first, second = (curtain(settings()).veiled(made) for _ in range(2))
    assert first == second
    assert first.asset.startswith("device-")
    assert "client" not in first.fields
