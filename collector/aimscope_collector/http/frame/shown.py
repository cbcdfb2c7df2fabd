"""Pages: a template, what it needs, and who looks at it. Everything is escaped; nothing runs but our own script."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

import jinja2
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.response import Redirect

from aimscope_collector.accounts import Principal
from aimscope_collector.http.frame import moments
from aimscope_collector.http.frame.texts import text, texts, word
from aimscope_collector.http.given import Given

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {"content-security-policy": POLICY, "cache-control": "no-store"}
_HTML: Final = "text/html"  # the server adds the charset to all text
NAVIGATION: Final = (
    ("overview", "/", "findings:read"),
    ("findings", "/findings", "findings:read"),
    ("inventory", "/inventory", "inventory:read"),
    ("services", "/services", "services:read"),
    ("fleet", "/fleet", "agents:read"),
    ("coverage", "/coverage", "coverage:read"),
    ("reports", "/reports", "reports:read"),
    ("exports", "/exports", "exports:read"),
    ("audit", "/audit", "audit:read"),
    ("administration", "/administration", "policy:read"),
)
"""The main pages: name of the text, address, and the permission without which the link is not shown."""


@functools.cache
def static() -> Mapping[str, bytes]:
    """The files that pages load, by name."""
    folder = resources.files("aimscope_collector.http") / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def address_of(name: str) -> str:
    """The address of a file that pages load: another one whenever its content changes, so that it may be kept."""
    return f"/static/{hashlib.sha256(static()[name]).hexdigest()[:12]}/{name}"


@functools.cache
def environment() -> jinja2.Environment:
    """The templates: ``http/templates``, and those of reports under ``reports/``."""
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [
                jinja2.PackageLoader("aimscope_collector.http", "templates"),
                jinja2.PrefixLoader({"reports": jinja2.PackageLoader("aimscope_collector.reports", "templates")}),
            ]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(t=text, word=word, static=address_of, address=address)
    made.filters.update(
        moment=moments.moment, day=moments.day, size=moments.size, number=moments.number, percent=moments.percent
    )
    return made


class Frame:
    """One request as templates see it: ``frame`` in every template.

    ``who`` is ``None`` for somebody who is not logged in; ``csrf`` goes into every form (``parts.form``).
    """

    def __init__(self, given: Given, who: Principal | None, csrf: str, path: str, query: Mapping[str, Any]) -> None:
        self.who = who
        self.csrf = csrf
        self.path = path
        self.query = {name: str(value) for name, value in query.items()}
        self.now = given.now()
        self.version = given.version
        self.catalogue = given.catalogue

    def may(self, permission: str) -> bool:
        """Whether who looks may do it."""
        return self.who is not None and self.who.may(permission)

    @property
    def navigation(self) -> list[tuple[str, str, bool]]:
        """Name, address and whether we are there, of every main page that who looks may see."""
        return [
            (name, path, self.path == path or (path != "/" and self.path.startswith(f"{path}/")))
            for name, path, needs in NAVIGATION
            if self.may(needs)
        ]

    @property
    def notice(self) -> str:
        """What the last form did, if it says so in the address: a text of ours, and a number."""
        done, n = self.query.get("done", ""), self.query.get("n", "")
        if f"done.{done}" not in texts():
            return ""
        return text(f"done.{done}", n=int(n) if n.isascii() and n.isdecimal() and len(n) < 10 else 1)

    def ago(self, at: int | None) -> str:
        """How long ago."""
        return moments.ago(at, self.now)

    def link(self, path: str | None = None, **changed: object) -> str:
        """The address of the page with some parameters changed; one that is ``None`` or empty is left out."""
        kept = {name: value for name, value in self.query.items() if name not in ("cursor", "done", "n")}
        return address(path or self.path, **{**kept, **changed})

    def show(self, template: str, *, status: int = 200, **values: object) -> Response[str]:
        """The page."""
        body = environment().get_template(template).render(frame=self, **values)
        return Response(body, status_code=status, media_type=_HTML, headers=HEADERS)


def address(path: str, **query: object) -> str:
    """A path with its parameters; those that are ``None`` or empty are left out."""
    wanted = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(wanted)}" if wanted else path


def frame_of(request: Request[Any, Any, Any]) -> Frame:
    """The frame of a request, whoever asks."""
    who = request.scope.get("user")
    csrf = getattr(request.scope.get("auth"), "csrf", "")
    found: Given = request.app.state.given
    return Frame(found, who if isinstance(who, Principal) else None, csrf, request.url.path, request.query_params)


def go(path: str, **query: object) -> Redirect:
    """See another page after a form: ``done`` names a text under ``done.`` in the texts, ``n`` a number in it."""
    return Redirect(address(path, **query), status_code=303)


Here: TypeAlias = NamedDependency[Frame]
"""A handler's parameter ``frame``."""
