from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from aimscope_signatures.catalogue import Catalogue, load
from aimscope_signatures.lint import lint
from aimscope_signatures.verify import benign, verify
from tests.signatures.conftest import HOLLY, write

TODAY = datetime.date(2026, 11, 23)


def test_a_signature_that_proves_itself_is_beyond_doubt(holly: Catalogue) -> None:
    assert verify(holly) == ()
    assert lint(holly, TODAY) == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('images: ["holly/holly:1"]', "images: []", "images: no example is matched by this clause"),
        ("env: [HOLLY_API_KEY, HOLLY_EU_TOKEN]", "env: [HALLY_API_KEY]", "env: HALLY_API_KEY: is not matched"),
        ("domains: [nholly.example]", "domains: [x.holly.example]", "matches, and must not"),
        (
            '{kind: process, exe: "C:/x/holly.exe", signer: Another}',
            "{kind: dns.query, name: a.example}",
            "no negative needs the test of 'signer'",
        ),
        ("processes: [holly]", "processes: [holly, bash]", "matches the ordinary processes 'bash'"),
        ('body: [\'*"product":"holly"*\']', "body: ['*']", "matches a http.response that says yes to everything"),
    ],
)
def test_what_is_not_proven_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in HOLLY
    write(tmp_path, HOLLY.replace(old, new, 1))
    assert said in "\n".join(map(str, verify(load(tmp_path))))


def test_a_signature_without_a_near_miss_is_doubtful(tmp_path: Path) -> None:
    write(tmp_path, HOLLY[: HOLLY.index("  no_match:")])
    assert "a near-miss is missing" in "\n".join(map(str, verify(load(tmp_path))))


def test_two_services_that_claim_one_value_must_say_so(tmp_path: Path) -> None:
    other = HOLLY.replace("id: holly", "id: molly").replace("holly#0", "molly#0")
    write(tmp_path, HOLLY)
    write(tmp_path, other, name="molly")
    assert "is claimed by molly as well" in "\n".join(map(str, verify(load(tmp_path))))
    write(tmp_path, other.replace("maturity: stable", "maturity: stable\npart_of: holly"), name="molly")
    assert verify(load(tmp_path)) == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("domains: [holly.example]", "domains: [google.com]", "google.com serves many things"),
        ('vscode:holly.holly"]', 'chrome:ddlbpiadoechcolndfekhkhlionaphdj"]', "a Chrome id is 32 letters"),
        ("facts: [domains, ", "facts: [", "no reference says where domains was confirmed"),
        ("checked: 2026-11-01", "checked: 2027-01-01", "checked in the future"),
        ("checked: 2026-11-01", "checked: 2020-01-01", "more than two years ago"),
        ("https://holly.example/docs", "http://holly.example/docs", "https:// address"),
        ("summary: An assistant made up for the tests.", "summary: Holly", "one sentence"),
        ("maturity: stable", "maturity: sandbox", "says what is unsure"),
        ("maturity: stable", "maturity: stable\nalso: [nobody]", "'nobody' is not in the catalogue"),
    ],
)
def test_bad_style_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in HOLLY
    write(tmp_path, HOLLY.replace(old, new, 1))
    assert said in "\n".join(map(str, lint(load(tmp_path), TODAY)))


def test_the_shipped_catalogue_proves_itself() -> None:
    found = load()
    assert verify(found) == ()
    assert lint(found, TODAY) == ()
    assert len(found) >= 200


def test_the_benign_corpus_covers_the_sections_a_scan_uses() -> None:
    assert {"domains", "processes", "packages", "apps", "extensions", "env", "keys", "images"} <= set(benign())
    assert min(map(len, benign().values())) >= 6
