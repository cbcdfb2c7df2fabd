"""The file that says where people log in: what is wrong with it is said before anybody tries."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aimscope_collector.http.sign_on import configured
from aimscope_collector.http.sign_on.configured import Granted, SignOnError, is_private
from aimscope_collector.http.sign_on.tokens import together

FILE = """
issuer: https://login.example.org
client_id: aimscope
client_secret_file: oidc.secret
address: https://aimscope.example.org
groups:
  aimscope-admins: {roles: [admin]}
  emea: {roles: [reviewer], units: [emea]}
"""


def written(folder: Path, text: str = FILE, mode: int = 0o600) -> Path:
    (folder / "oidc.secret").write_text("a secret\n")
    (folder / "oidc.secret").chmod(mode)
    (folder / "oidc.yaml").write_text(text)
    return folder / "oidc.yaml"


def test_the_file(tmp_path: Path) -> None:
    found = configured.load(written(tmp_path))
    assert (found.secret, found.configured.local) == ("a secret", "admins")
    assert found.configured.back == "https://aimscope.example.org/login/elsewhere/back"
    assert "a secret" not in repr(found)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("https://login", "http://login", "issuer"),
        ("https://login.example.org", "https://a:b@login.example.org", "issuer"),
        ("https://aimscope.example.org", "http://aimscope.example.org", "address"),
        ("https://aimscope.example.org", "https://aimscope.example.org/x", "without a path"),
        ("[admin]", "[king]", "aimscope-admins: king is no role"),
        ("[admin]", "[]", "roles"),
        ("client_id: aimscope", "client: aimscope", "client"),
        ("oidc.secret", "other.secret", "other.secret"),
        ("client_id", "algorithms: [none]\nclient_id", "none"),
        ("client_id", "algorithms: [HS256]\nclient_id", "HS256"),
        ("client_id", "scopes: [email]\nclient_id", "openid"),
        ("client_id", "ca: no.pem\nclient_id", "no.pem"),
        ("groups:", "groups: [", "oidc.yaml"),
        ("issuer", "\x00issuer", "oidc.yaml"),
    ],
)
def test_what_is_wrong_with_the_file_is_said(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = written(tmp_path, FILE.replace(old, new, 1))
    with pytest.raises(SignOnError) as raised:
        configured.load(path)
    assert says in str(raised.value)
    assert "a secret" not in str(raised.value)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SignOnError, match="chmod 600"):
        configured.load(written(tmp_path, mode=0o644))


def test_what_is_private() -> None:
    for good in ("https://x.example/a", "http://127.0.0.1:8/x", "http://[::1]/", "http://localhost"):
        assert is_private(good)
    for bad in (
        "http://x.example",
        "ftp://127.0.0.1",
        "https://",
        "//x",
        "http://127.0.0.1.evil.example",
        "https://[x",
    ):
        assert not is_private(bad)


def test_a_limit_of_one_group_is_not_lifted_by_another() -> None:
    assert together([Granted(("viewer",)), Granted(("admin",), ("emea",))]) == (("viewer", "admin"), ("emea",))
    assert together([Granted(("viewer",)), Granted(("admin",))]) == (("viewer", "admin"), ())
