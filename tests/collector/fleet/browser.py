"""A browser without a window: keeps cookies, follows redirects, fills in forms that are on the page."""

from __future__ import annotations

import html
import re
from typing import Any

from litestar.testing import TestClient

from tests.collector.fleet.api_client import Api

PASSWORD = "correct horse battery"
HEADERS = {"sec-fetch-site": "same-origin", "user-agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"}


class Browser:
    """``path`` is where it is, ``text`` what it shows."""

    def __init__(self, api: Api) -> None:
        self.client = TestClient(api.app, base_url="http://127.0.0.1", raise_server_exceptions=False)
        self.path = "/"
        self.text = ""
        self.status = 0

    def open(self, path: str) -> str:
        """See a page."""
        return self._read(self.client.get(path))

    def send(self, action: str, /, **fields: Any) -> str:
        """Send the form of the page that goes to ``action``, with what it holds already."""
        form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', self.text, re.DOTALL)
        assert form, f"{self.path} has no form for {action}: {self.text}"
        filled = {name: html.unescape(value) for name, value in _hidden(form[0])}
        return self._read(self.client.post(action, data=filled | fields, headers=HEADERS))

    def log_in(self, name: str, password: str = PASSWORD) -> None:
        """Log in through the page."""
        self.open("/login")
        self.send("/login", name=name, password=password)

    def _read(self, answer: Any) -> str:
        self.path = answer.url.raw_path.decode()
        self.status, self.text = answer.status_code, answer.text
        return self.text


def _hidden(form: str) -> list[tuple[str, str]]:
    return re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)
