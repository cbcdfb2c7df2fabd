"""Destinations from a file: what is right is used, what is wrong is said without a secret."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_collector.deliver.configured import DestinationsError, load
from aimscope_collector.deliver.smtp import Mail
from aimscope_collector.deliver.webhook import Webhook

GOOD = """
destinations:
  soc:
    type: mail
    host: mail.corp.example
    sender: aimscope@corp.example
    to: [soc@corp.example]
    user: aimscope
    password_file: mail.secret
  siem:
    type: webhook
    url: https://siem.corp.example/in
    secret_file: siem.secret
"""


def write(folder: Path, text: str) -> Path:
    for name in ("mail.secret", "siem.secret"):
        (folder / name).write_text("hush-0123456789abcdef\n")
        (folder / name).chmod(0o600)
    path = folder / "destinations.yaml"
    path.write_text(text)
    return path


def test_destinations_are_read_with_their_secrets(tmp_path: Path) -> None:
    found = load(write(tmp_path, GOOD))
    assert set(found) == {"soc", "siem"}
    mail = found["soc"]
    assert isinstance(mail, Mail)
    assert (mail.password, mail.port, mail.tls) == ("hush-0123456789abcdef", 587, "starttls")
    assert isinstance(found["siem"], Webhook)
    assert "hush" not in repr(found)
    assert load(write(tmp_path, "destinations: {}")) == {}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("type: mail", "type: pigeon", "pigeon"),
        ("host: mail.corp.example", "host: ''", "host"),
        ("to: [soc@corp.example]", "to: []", "to"),
        ("sender: aimscope@corp.example", 'sender: "a@b\\nBcc: c@d"', "sender"),
        ("    password_file: mail.secret\n", "", "password_file"),
        ("password_file: mail.secret", "password: hush-hush", "unknown field"),
        ("https://siem", "http://siem", "https"),
        ("https://siem", "https://user:hush@siem", "without a password"),
        ("secret_file: siem.secret", "secret_file: none.secret", "No such file"),
        ("secret_file: siem.secret", "secret_file: siem.secret\n    ca: none.pem", "siem"),
        ("  soc:", "  'S O C':", "destinations.yaml"),
        ("destinations:", "destinations: [", "destinations.yaml"),
        ("destinations:", "x: &a [*a]\ndestinations:", "destinations.yaml"),
        ("destinations:", "\x00", "destinations.yaml"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(DestinationsError, match=says) as raised:
        load(write(tmp_path, GOOD.replace(old, new)))
    assert "hush" not in str(raised.value)


def test_files_that_others_can_read_or_that_are_not_there(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    (tmp_path / "siem.secret").chmod(0o640)
    with pytest.raises(DestinationsError, match="chmod 600"):
        load(path)
    (tmp_path / "siem.secret").chmod(0o600)
    (tmp_path / "siem.secret").write_text("short")
    with pytest.raises(DestinationsError, match="16 bytes"):
        load(path)
    with pytest.raises(DestinationsError, match="No such file"):
        load(tmp_path / "none.yaml")
    path.write_text("#" * 100_001)
    with pytest.raises(DestinationsError, match="larger"):
        load(path)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)
    with contextlib.suppress(DestinationsError):
        load(path)
