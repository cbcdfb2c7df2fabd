"""The HTML report in a real browser: names of strangers stay names, nothing is fetched, and it prints."""

from __future__ import annotations

import html.parser
import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.person import Person
from tests.end_to_end.program import aimscope

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed (Debian: apt-get install chromium)")

SCRIPT = "<script>document.title='owned'</script>"
IMAGE = "<img src='{url}pixel' onerror=\"document.title='owned'\">"


class Elements(html.parser.HTMLParser):
    """What a page consists of, as the browser understood it: names of elements and of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.title = ""
        self._in_title = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self._in_title = tag == "title"

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
            self._in_title = False


@pytest.fixture
def visits() -> Iterator[tuple[str, list[str]]]:
    """The address of a server on loopback, and what was asked of it."""
    asked: list[str] = []

    class Counting(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
            """Not to the terminal."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", asked
        server.shutdown()


@pytest.fixture
def report(tmp_path: Path, visits: tuple[str, list[str]]) -> Path:
    """A report on the home of somebody whose every name is an attack on its reader."""
    root = tmp_path / "root"
    person = Person(root / "home" / "<b onmouseover=alert(1)>ann")
    image = IMAGE.replace("{url}", visits[0])
    hostile = {
        f"{SCRIPT}{image}": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", image]},
        "\"><svg onload=document.title='owned'>": {"url": f"https://{'x' * 20}.example/<script>"},
        "{{ 7 * 7 }}</title></style>": {"command": "uvx", "args": ["mcp-server-fetch"]},
    }
    person.write(".claude.json", {"mcpServers": hostile})
    person.write("work/<img src=x onerror=document.title='owned'>/site-packages/openai-1.0.dist-info/METADATA", "")
    person.write("<iframe>/lib/python3.11/site-packages/anthropic-1.0<script>.dist-info/METADATA", "")
    page = tmp_path / "report.html"
    done = aimscope("scan", "--root", root, "--html", page, "--explain", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    return page


def browse(folder: Path, *arguments: str) -> str:
    """Run the browser without a window and with a profile that ends with the test."""
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--disable-background-networking", "--virtual-time-budget=3000", f"--user-data-dir={folder / 'profile'}"),
            *arguments,
        ],
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_browser_runs_scripts_and_fetches_pictures_where_a_page_lets_it(
    tmp_path: Path, visits: tuple[str, list[str]]
) -> None:
    """Without this the next test would prove nothing."""
    url, asked = visits
    page = tmp_path / "careless.html"
    page.write_text(f"<title>mine</title><p>{SCRIPT}{IMAGE.replace('{url}', url)}")
    assert Elements(browse(tmp_path, "--dump-dom", page.as_uri())).title == "owned"
    assert asked == ["/pixel"]


def test_names_of_strangers_stay_names(report: Path, tmp_path: Path, visits: tuple[str, list[str]]) -> None:
    text = report.read_text()
    for part in ("onmouseover", "onerror", "onload", "{{ 7 * 7 }}"):
        assert part in text, "the attack is in the report, as text"
    seen = Elements(browse(tmp_path, "--dump-dom", report.as_uri()))
    assert seen.title.startswith("AI seen in")
    assert not {"script", "img", "svg", "iframe", "b", "object", "link", "base", "form"} & set(seen.tags)
    assert not [name for name in seen.attributes if name.startswith("on") or name in {"src", "srcset", "action"}]
    assert seen.tags.count("style") == 1
    assert visits[1] == []


def test_it_prints(report: Path, tmp_path: Path) -> None:
    paper = tmp_path / "report.pdf"
    browse(tmp_path, f"--print-to-pdf={paper}", report.as_uri())
    content = paper.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") >= 1
    assert len(content) > 10_000, "there is something on the page"
