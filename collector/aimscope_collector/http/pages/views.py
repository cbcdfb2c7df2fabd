"""Views of a list: kept under a name, shared, removed."""

from __future__ import annotations

from typing import Annotated, Final, get_args

from litestar import post
from litestar.params import PathParameter
from litestar.response import Redirect

from aimscope_collector.http.api.views import Page, Save, remove_view, save_view
from aimscope_collector.http.frame import shown
from aimscope_collector.http.frame.asking import ask
from aimscope_collector.http.frame.forms import Form, Sent
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.pages.findings import FILTERS

Id = Annotated[int, PathParameter(ge=1, le=1 << 53)]


def _page(form: Sent) -> str:
    return form.text("page") if form.text("page") in get_args(Page) else "findings"


@post("/views", opt={"needs": "findings:read"}, sync_to_thread=True, status_code=303)
def save(given: Here, who: Who, form: Form) -> Redirect:
    """Keep the filters that are set."""
    query = {name: value for name in FILTERS if (value := form.text(f"back-{name}"))}
    page = _page(form)
    ask(
        save_view,
        given,
        who,
        data=form.into(Save, "name", page=page, query=query, shared=form.ticked("shared")),
    )
    return shown.go(f"/{page}", **query, done="view_saved")


@post("/views/{view:int}/remove", opt={"needs": "findings:read"}, sync_to_thread=True, status_code=303)
def remove(given: Here, who: Who, view: Id, form: Form) -> Redirect:
    """Forget one."""
    ask(remove_view, given, who, view=view)
    return shown.go(f"/{_page(form)}", done="view_removed")


ROUTES: Final = (save, remove)
