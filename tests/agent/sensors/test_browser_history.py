"""Browser history: only hosts that a catalogue names, with counts, of every profile; nothing else is told."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest
from tests.agent.sensors.planted import Host, fields, gaps

from aimscope_agent.sensors.browser_history import SENSOR
from aimscope_signatures.interests import Interests
from aimscope_signatures.model import Status

INTERESTS = Interests(hosts=("chatgpt.com", "api.example.co.uk", "bedrock.*.amazonaws.com", "us-*-ai.example.org"))
CHROME = ".config/google-chrome/Default/History"
FIREFOX = ".mozilla/firefox/x.default-release/places.sqlite"
SECOND = 1_000_000
SINCE_1601 = 11_644_473_600

Visit = tuple[object, object, object, object]


@pytest.fixture
def linux(tmp_path: Path) -> Host:
    return Host(tmp_path)


def chromium(path: Path, *visits: Visit, column: str = "INTEGER") -> None:
    """``visits``: address, count, last visit in seconds since 1970, hidden."""
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE urls (id INTEGER PRIMARY KEY, url LONGVARCHAR, title LONGVARCHAR, "
            f"visit_count {column} DEFAULT 0 NOT NULL, last_visit_time {column}, hidden INTEGER DEFAULT 0 NOT NULL)"
        )
        for url, count, last, hidden in visits:
            when = (last + SINCE_1601) * SECOND if isinstance(last, int) else last
            database.execute(
                "INSERT INTO urls (url, title, visit_count, last_visit_time, hidden) VALUES (?, 'A title', ?, ?, ?)",
                (url, count, when, hidden),
            )
    database.close()


def firefox(path: Path, *visits: Visit) -> None:
    """``visits``: host, count, last visit in seconds since 1970, hidden."""
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url LONGVARCHAR, rev_host LONGVARCHAR, "
            "visit_count INTEGER DEFAULT 0, hidden INTEGER DEFAULT 0 NOT NULL, last_visit_date INTEGER)"
        )
        for host, count, last, hidden in visits:
            backwards = host[::-1] + "." if isinstance(host, str) else host
            when = last * SECOND if isinstance(last, int) else last
            database.execute(
                "INSERT INTO moz_places (url, rev_host, visit_count, hidden, last_visit_date) VALUES (?, ?, ?, ?, ?)",
                (f"https://{host}/private", backwards, count, hidden, when),
            )
    database.close()


def test_it_is_off_unless_asked_for_and_says_what_it_reads() -> None:
    assert SENSOR.opt_in
    assert "no other hosts" in SENSOR.privacy


def test_visits_of_chromium_are_summed_by_host(linux: Host) -> None:
    chromium(
        linux.path(CHROME),
        ("https://chatgpt.com/c/private-conversation?q=secret", 3, 1_780_000_000, 0),
        ("https://chatgpt.com/", 2, 1_780_000_500, 0),
        ("https://bank.example/account", 9, 1_780_000_900, 0),
    )
    result = linux.look(SENSOR, INTERESTS)
    assert fields(result) == [{"host": "chatgpt.com", "browser": "chrome", "count": 5, "last": 1_780_000_500}]
    (seen,) = result.observations["browser_history"]
    assert (seen.subject, seen.source) == ("ann", f"~/{CHROME}")
    everything = msgspec.json.encode((result.observations, result.coverage)).decode()
    assert not any(word in everything for word in ("private", "secret", "bank", "title"))


def test_visits_of_firefox_are_summed_by_host(linux: Host) -> None:
    firefox(
        linux.path(FIREFOX),
        ("chatgpt.com", 3, 1_780_000_000, 0),
        ("chatgpt.com", 1, None, 0),
        ("bank.example", 4, 1_780_000_000, 0),
        (None, 4, 1_780_000_000, 0),
    )
    assert fields(linux.look(SENSOR, INTERESTS)) == [
        {"host": "chatgpt.com", "browser": "firefox", "count": 4, "last": 1_780_000_000}
    ]


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://CHATGPT.com/", "chatgpt.com"),
        ("https://www.chatgpt.com/x", "www.chatgpt.com"),
        ("http://ann:secret@chatgpt.com:8443/x", "chatgpt.com"),
        ("https://chatgpt.com", "chatgpt.com"),
        ("https://eu.api.example.co.uk/", "eu.api.example.co.uk"),
        ("https://bedrock.eu-west-1.amazonaws.com/", "bedrock.eu-west-1.amazonaws.com"),
        ("https://us-central1-ai.example.org/", "us-central1-ai.example.org"),
    ],
)
def test_hosts_that_are_named(linux: Host, address: str, host: str) -> None:
    chromium(linux.path(CHROME), (address, 1, 1_780_000_000, 0))
    assert [found["host"] for found in fields(linux.look(SENSOR, INTERESTS))] == [host]


@pytest.mark.parametrize(
    "address",
    [
        "https://notchatgpt.com/", "https://chatgpt.com.evil.example/", "https://com/", "https://example.co.uk/",
        "https://bank.example/?to=https://chatgpt.com/", "https://bank.example/chatgpt.com", "file:///chatgpt.com",
        "chrome-extension://chatgpt.com/x", "https://bedrock.a.b.amazonaws.com/", "https://eu-central1-ai.example.org/",
        "https:///chatgpt.com", "https://", "about:blank", "https://chatgpt.com@bank.example/", "", None, b"\xff", 7,
    ],
)  # fmt: skip
def test_hosts_that_are_not_named(linux: Host, address: object) -> None:
    chromium(linux.path(CHROME), (address, 1, 1_780_000_000, 0))
    assert fields(linux.look(SENSOR, INTERESTS)) == []


def test_frames_redirections_and_bookmarks_are_no_visits(linux: Host) -> None:
    chromium(linux.path(CHROME), ("https://chatgpt.com/", 3, 1_780_000_000, 1), ("https://chatgpt.com/a", 0, 0, 0))
    firefox(linux.path(FIREFOX), ("chatgpt.com", 3, 1_780_000_000, 1), ("chatgpt.com", 0, None, 0))
    assert fields(linux.look(SENSOR, INTERESTS)) == []


def test_each_profile_of_each_browser_is_told_apart(linux: Host) -> None:
    visit = ("https://chatgpt.com/", 1, 1_780_000_000, 0)
    for place in (CHROME, ".config/google-chrome/Profile 2/History", "snap/chromium/common/chromium/Default/History"):
        chromium(linux.path(place), visit)
    chromium(linux.path("backup/Default/History"), visit)
    firefox(linux.path(FIREFOX), ("chatgpt.com", 2, 1_780_000_000, 0))
    result = linux.look(SENSOR, INTERESTS)
    assert [found["browser"] for found in fields(result)] == ["chrome", "chrome", "chromium", "firefox"]


@pytest.mark.parametrize(
    ("count", "last"),
    [(2.5, "soon"), ("many", 1), (b"\x00", None), (b"\x00", b"\xff"), (1 << 62, "x"), (-5, -5)],
)
def test_values_of_other_types(linux: Host, count: object, last: object) -> None:
    chromium(linux.path(CHROME), ("https://chatgpt.com/", count, last, 0), column="BLOB")
    for found in fields(linux.look(SENSOR, INTERESTS)):
        assert found["count"] == 1 << 62
        assert "last" not in found


def test_databases_that_are_none_are_gaps(linux: Host) -> None:
    visit = ("https://chatgpt.com/", 1, 1_780_000_000, 0)
    chromium(linux.path(CHROME), visit)
    whole = linux.path(CHROME).read_bytes()
    linux.plant(
        {
            ".config/chromium/Default/History": b"no database",
            ".config/vivaldi/Default/History": whole[: len(whole) // 2],
            ".config/opera/Default/History/": "",
        }
    )
    firefox(linux.path(".config/microsoft-edge/Default/History"), ("chatgpt.com", 1, 1, 0))
    result = linux.look(SENSOR, INTERESTS)
    assert [found["browser"] for found in fields(result)] == ["chrome"]
    assert gaps(result) == {
        (Status.FAILED, f"~/.config/{browser}/Default/History") for browser in ("chromium", "vivaldi", "microsoft-edge")
    }


def test_an_empty_catalogue_names_nobody(linux: Host) -> None:
    chromium(linux.path(CHROME), ("https://chatgpt.com/", 1, 1_780_000_000, 0))
    assert fields(linux.look(SENSOR)) == []
