"""Chromium over the collector's application in this process: every header counts, and no server is needed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, sync_playwright

from tests.collector.fleet.api_client import Api

SITE = "http://localhost"
_WATCH = """
window.hit = 0;
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


class Visitor:
    """Somebody with a browser. ``troubles`` are what no page may cause: errors, dialogs, requests to elsewhere."""

    def __init__(self, context: BrowserContext, api: Api, headers: dict[str, str]) -> None:
        self.page: Page = context.new_page()
        self.troubles: list[str] = []
        self._api = api
        self._headers = headers
        self.page.add_init_script(_WATCH)
        self.page.route("**/*", self._answer)
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("dialog", self._dialog)

    def _dialog(self, dialog: Any) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _answer(self, route: Route) -> None:
        asked = route.request
        if not asked.url.startswith(f"{SITE}/"):
            self.troubles.append(f"elsewhere: {asked.url}")
            route.abort()
            return
        kept = {name: value for name, value in asked.headers.items() if name in {"content-type", "accept", "cookie"}}
        answer = self._api.client.request(
            asked.method,
            asked.url.removeprefix(SITE),
            headers={**kept, **self._headers},
            content=asked.post_data_buffer,
            follow_redirects=True,  # what a browser is sent on to would not come by here again
        )
        route.fulfill(status=answer.status_code, headers=dict(answer.headers), body=answer.content)

    def see(self, path: str, *, width: int = 1280) -> int:
        """Open a page; returns its status."""
        self.page.set_viewport_size({"width": width, "height": 900})
        answer = self.page.goto(f"{SITE}{path}")
        assert answer is not None
        return answer.status

    def executed(self) -> list[str]:
        """What ran that should not have, and what the policy had to stop."""
        found = [*self.troubles, *self.page.evaluate("window.violations")]
        return [*found, "a script of a stranger ran"] if self.page.evaluate("window.hit") else found

    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@contextmanager
def chromium() -> Iterator[Any]:
    """Debian's Chromium. Skips where there is none."""
    found = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
