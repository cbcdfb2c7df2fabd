"""Logs that real servers wrote of real questions, read by the installed program: what was asked, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.namespaces import Space, dnsmasq, end, named, open_folder, origin, private_network, squid, unbound
from tests.end_to_end.program import aimscope, told

pytestmark = pytest.mark.e2e

Uses = Counter[tuple[str, str, str, str]]
"""Service, host, client and presence → how often."""


@pytest.fixture
def space() -> Iterator[Space]:
    with private_network() as space:
        yield space


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


def uses(report: dict[str, Any]) -> Uses:
    found: Uses = Counter()
    for row in report["findings"]:
        for one in row["evidence"]:
            host = one["fields"].get("name") or one["fields"]["host"]
            assert (one["presence"] == "attempted") == ("blocked" in one["fields"])
            found[row["service"], host, one.get("asset", ""), one["presence"]] += one.get("count", 1)
    return found


def scanned(log: Path, form: str, folder: Path) -> dict[str, Any]:
    """The report of a log in which every line was understood, and its format told."""
    report = told(aimscope("scan", "logs", log, "--json", "--quiet", folder=folder))
    (covered,) = report["coverage"]
    assert covered["sensor"] == f"{form} {log}"
    assert covered["status"] == "complete", covered
    assert covered["counts"]["unreadable"] == 0
    return report


def asked(space: Space) -> Uses:
    """Ask a resolver all kinds of questions; those about AI that it answers, as they must be found."""
    space.ask("chatgpt.com A", "ChatGPT.com HTTPS", "www.example.org A", "notchatgpt.com A")
    space.ask("chatgpt.com.example.org A", "example.com TXT", "com A", ". NS", "_.chatgpt.com.example.org A")
    space.ask("chatgpt.com A", "ab.chatgpt.com AAAA", tcp=True)
    space.ask("api.openai.com AAAA", "notchatgpt.com AAAA", server="::1")
    space.ask("api.openai.com A", source="127.0.0.9")
    space.ask("claude.ai A", "huggingface.co A", source="127.0.0.8")
    return Counter(
        {
            ("chatgpt", "chatgpt.com", "127.0.0.1", "used"): 3,
            ("chatgpt", "ab.chatgpt.com", "127.0.0.1", "used"): 1,
            ("openai-api", "api.openai.com", "::1", "used"): 1,
            ("openai-api", "api.openai.com", "127.0.0.9", "used"): 1,
        }
    )


def refused(presence: str) -> Uses:
    """What it refuses."""
    names = (("claude", "claude.ai"), ("hugging-face", "huggingface.co"))
    return Counter({(service, host, "127.0.0.8", presence): 1 for service, host in names})


@pytest.mark.parametrize("extra", [False, True], ids=["queries", "extra"])
def test_dnsmasq(space: Space, folder: Path, extra: bool) -> None:
    server = dnsmasq(space, folder, "--log-queries=extra" if extra else "--log-queries")
    expected = asked(space) + refused("attempted")
    end(server.process)
    assert uses(scanned(server.log, "dnsmasq", folder)) == expected


@pytest.mark.parametrize("options", [("log-queries",), ("log-replies",), ("log-queries", "log-replies")])
def test_unbound(space: Space, folder: Path, options: tuple[str, ...]) -> None:
    server = unbound(space, folder, *options)
    expected = asked(space) + refused("used")
    end(server.process)
    assert uses(scanned(server.log, "unbound", folder)) == expected


@pytest.mark.parametrize("more", [(), ("log-replies", "log-tag-queryreply", "log-time-ascii")])
def test_unbound_says_what_it_refuses(space: Space, folder: Path, more: tuple[str, ...]) -> None:
    server = unbound(space, folder, "log-queries", "log-local-actions", *more)
    expected = asked(space) + refused("attempted")
    end(server.process)
    assert uses(scanned(server.log, "unbound", folder)) == expected


def test_named(space: Space, folder: Path) -> None:
    server = named(space, folder)
    expected = asked(space)
    end(server.process)
    assert uses(scanned(server.log, "bind", folder)) == expected + refused("used")
    assert uses(scanned(folder / "policy.log", "bind", folder)) == refused("attempted")


def test_squid(space: Space) -> None:
    with open_folder("proxy") as folder:
        origin(space, folder)
        server = squid(space, folder)
        expected = fetched(space)
        end(server.process)
        for name, form in (("access.log", "squid-native"), ("combined.log", "squid-combined")):
            report = scanned(folder / name, form, folder)
            assert uses(report) == expected, name
            rows = [one for row in report["findings"] if row["service"] == "claude" for one in row["evidence"]]
            assert {one["subject"]: one.get("count", 1) for one in rows} == {"ann": 1, "bob b": 1}
            assert all(one["bytes_in"] > 0 for one in rows)


def fetched(space: Space) -> Uses:
    """Fetch all kinds of pages; those of AI, as they must be found."""

    def fetch(url: str, *more: str, proxy: str = "127.0.0.1") -> None:
        quiet = ("-s", "-k", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}")
        told = space.run("sh", "-c", '"$@" || :', "sh", "curl", *quiet, "-x", f"http://{proxy}:3128", *more, url)
        assert told, url

    fetch("http://chatgpt.com/backend-api/x")
    fetch("https://chatgpt.com/")
    fetch("https://api.openai.com/v1/models", "--interface", "127.0.0.9")
    fetch("http://api.openai.com/v1/chat/completions", "-d", "x=1")
    fetch("https://api.openai.com/", proxy="[::1]")
    fetch("https://claude.ai/", "--proxy-anyauth", "-U", "ann:secret")  # first without a name: 407
    fetch("https://claude.ai/", "--proxy-basic", "-U", "bob b:secret")
    fetch("https://huggingface.co/")
    fetch("http://huggingface.co/gpt2")
    fetch("https://notchatgpt.com/")
    fetch("http://chatgpt.com.example.org/?from=chatgpt.com", "-H", "Referer: https://chatgpt.com/")
    fetch("http://www.example.org/", "-A", "like chatgpt.com")
    return Counter(
        {
            ("chatgpt", "chatgpt.com", "127.0.0.1", "used"): 2,
            ("openai-api", "api.openai.com", "127.0.0.9", "used"): 1,
            ("openai-api", "api.openai.com", "127.0.0.1", "used"): 1,
            ("openai-api", "api.openai.com", "::1", "used"): 1,
            ("claude", "claude.ai", "127.0.0.1", "used"): 2,
            ("hugging-face", "huggingface.co", "127.0.0.1", "attempted"): 2,
        }
    )
