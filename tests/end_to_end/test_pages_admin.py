"""An administrator's first day, in Chromium against the program itself: real cookies, forms and redirects."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.collector.fleet.oidc_provider import CLIENT, SECRET, running
from tests.collector.fleet.test_app import free_port, served
from tests.collector.fleet.test_backup import founded
from tests.end_to_end.browser import chromium

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
NEW = "a longer one, mine"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


class Person:
    """Somebody at a computer. ``troubles`` are what no page may cause."""

    def __init__(self, browser: Any, site: str, *, scripts: bool = True) -> None:
        self.context = browser.new_context(base_url=site, java_script_enabled=scripts)
        self.page = self.context.new_page()
        self.troubles: list[str] = []
        self.page.add_init_script(_WATCH)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", lambda said: self.troubles.append(said.text) if "Content Security" in said.text else 0)

    @property
    def path(self) -> str:
        return re.sub(r"^https?://[^/]+", "", self.page.url)

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            self.page.fill(f"main [name={name}]", value)

    def press(self, words: str) -> None:
        self.page.get_by_role("button", name=words, exact=True).first.click()

    def log_in(self, name: str, password: str) -> None:
        self.page.goto("/login")
        self.fill(name=name, password=password)
        self.press("Log in")

    def text(self) -> str:
        return str(self.page.inner_text("main"))

    def look(self, shots: Path, name: str) -> None:
        """A picture, and what axe says of this page."""
        self.page.screenshot(path=shots / f"{name}.png", full_page=True)
        found = Axe().run(self.page, options={"runOnly": RULES}).response["violations"]
        assert [one["id"] for one in found if one["impact"] in {"serious", "critical"}] == [], name
        wide = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{name} is wider than the window"
        self.troubles += self.page.evaluate("window.violations")


class Day:
    """The administrator, the program, and where pictures go."""

    def __init__(self, browser: Any, port: int, shots: Path) -> None:
        self.browser = browser
        self.site = f"http://127.0.0.1:{port}"
        self.shots = shots
        self.admin = Person(browser, self.site)

    def first_login(self, password: str) -> None:
        admin = self.admin
        admin.page.goto("/administration/accounts")
        assert admin.path.startswith("/login?next="), "who is nobody is asked to log in"
        admin.look(self.shots, "login")
        admin.fill(name="admin", password=password)
        admin.press("Log in")
        assert admin.path == "/account/password"
        admin.look(self.shots, "first-password")
        admin.fill(password=password, new=NEW, again=NEW)
        admin.press("Change the password")
        assert "The password is changed" in admin.text()
        cookie = next(one for one in admin.context.cookies() if one["name"] == "aimscope")
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")

    def second_factor(self) -> tuple[pyotp.TOTP, list[str]]:
        admin = self.admin
        admin.page.goto("/account/second-factor")
        admin.press("Set up a second factor")
        admin.look(self.shots, "second-factor")
        code = pyotp.TOTP(admin.page.inner_text("#secret"))
        assert admin.page.locator("svg.qr").bounding_box()["width"] > 100
        admin.fill(code=code.at(time.time()))
        admin.press("Turn it on")
        recovery = admin.page.locator("main ol code").all_inner_texts()
        assert len(recovery) == 10
        admin.look(self.shots, "recovery-codes")
        admin.page.goto("/account")
        admin.look(self.shots, "account")
        return code, recovery

    def again(self, code: pyotp.TOTP) -> None:
        admin = self.admin
        admin.page.click(".menu summary")
        admin.press("Log out")
        assert "You are logged out" in admin.text()
        admin.page.goto("/administration/accounts")
        assert admin.path.startswith("/login")
        admin.fill(name="admin", password=NEW)
        admin.press("Log in")
        assert admin.path.startswith("/login/code")
        admin.look(self.shots, "code")
        admin.fill(code="000000")
        admin.press("Log in")
        assert "The code is wrong" in admin.text()
        admin.fill(code=code.at(time.time() + 30))  # the next one: the one of now was taken
        admin.press("Log in")
        assert admin.path == "/administration/accounts", "where it wanted to be"

    def new_account(self) -> str:
        admin = self.admin
        admin.fill(name="ben")
        admin.page.check("main [name=roles][value=reviewer]")
        admin.press("Make the account")
        admin.look(self.shots, "new-account")
        return str(admin.page.inner_text("#password"))

    def locked_and_unlocked(self, password: str) -> Person:
        admin, ben = self.admin, Person(self.browser, self.site, scripts=False)
        for _ in range(5):
            ben.log_in("ben", "wrong")
        assert "Try again in 30 seconds" in ben.text()
        ben.log_in("ben", password)
        assert ben.path == "/login", "nor with the right password, while it is locked"
        admin.page.goto("/administration/accounts")
        assert "locked" in admin.text()
        admin.look(self.shots, "accounts")
        admin.page.click("main th a >> text=ben")
        admin.look(self.shots, "one-account")
        admin.press("Unlock the account")
        ben.log_in("ben", password)
        assert ben.path == "/account/password", "without a script too"
        return ben

    def every_page(self) -> None:
        pages = ("accounts", "roles", "logins", "policy", "privacy", "alerts", "risk", "retention")
        for width in (1280, 360):
            self.admin.page.set_viewport_size({"width": width, "height": 900})
            for page in pages:
                self.admin.page.goto(f"/administration/{page}")
                self.admin.look(self.shots, f"{page}-{width}")


def test_an_administrators_first_day(tmp_path: Path, browser: Any) -> None:
    made = founded(tmp_path / "c")
    with served(tmp_path / "c") as (_, port):
        day = Day(browser, port, tmp_path)
        day.first_login(made.password)
        code, recovery = day.second_factor()
        day.again(code)
        password = day.new_account()
        ben = day.locked_and_unlocked(password)
        ben.fill(password=password, new=NEW + " too", again=NEW + " too")
        ben.press("Change the password")
        ben.page.goto("/findings")
        assert ben.path == "/findings"
        ben.page.goto("/administration/accounts")
        assert "accounts:read" in ben.text(), "a reviewer sees no accounts"
        day.admin.page.goto("/administration/accounts")
        day.admin.page.click("main th a >> text=ben")
        day.admin.press("Disable the account")
        ben.page.goto("/findings")
        assert ben.path.startswith("/login"), "at once"
        day.every_page()
        day.admin.page.goto("/audit")
        assert "login.locked" in day.admin.text()
        assert day.admin.troubles == []
    stored = (tmp_path / "c" / "collector.db").read_bytes()
    for clear in (NEW, password, code.secret, *recovery, *(one.replace("-", "") for one in recovery)):
        assert clear.encode() not in stored


OIDC = """
issuer: {issuer}
client_id: {client}
client_secret_file: oidc.secret
address: http://127.0.0.1:{port}
label: Acme
groups:
  reviewers: {{roles: [reviewer]}}
"""


def test_logging_in_elsewhere(tmp_path: Path, browser: Any) -> None:
    made = founded(tmp_path / "c")
    port = free_port()
    with running(lambda: int(time.time())) as provider:
        (tmp_path / "c" / "oidc.secret").write_text(SECRET)
        (tmp_path / "c" / "oidc.secret").chmod(0o600)
        (tmp_path / "c" / "oidc.yaml").write_text(OIDC.format(issuer=provider.issuer, client=CLIENT, port=port))
        with served(tmp_path / "c", "--listen", f"127.0.0.1:{port}"):
            ann = Person(browser, f"http://127.0.0.1:{port}")
            ann.page.goto("/findings?verdict=prohibited")
            ann.look(tmp_path, "login-elsewhere")
            assert not ann.page.is_visible("[name=password]"), "a password is for an emergency"
            ann.page.get_by_role("link", name="Log in with Acme").click()
            assert ann.path == "/findings?verdict=prohibited"
            ann.page.goto("/account")
            assert "ann" in ann.text()
            ann.page.click(".menu summary")
            ann.press("Log out")
            assert ann.page.get_by_role("link", name="Log out of Acme too").is_visible()
            ann.look(tmp_path, "logged-out")
            provider.person = {"preferred_username": "ann", "groups": ["football"]}
            ann.page.get_by_role("link", name="Log in with Acme").click()
            assert "None of your groups" in ann.text()
            ann.page.click("summary")
            ann.fill(name="admin", password=made.password)
            ann.press("Log in")
            assert ann.path == "/account/password"
            ann.fill(password=made.password, new=NEW, again=NEW)
            ann.press("Change the password")
            ann.page.goto("/audit?action=login.")
            assert "login.break_glass" in ann.text()
            assert ann.troubles == []
