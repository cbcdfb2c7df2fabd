"""The forms a scan can be shown in: one module each with `render(report) -> str`, found by walking this folder.

Besides, every format of events for a SIEM is a form.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import cast

from aimscope_cli.report import Report


def render(name: str, report: Report) -> str:
    """``report`` in the form ``name``. Raises ``KeyError`` for a form that does not exist."""
    if not (Path(__file__).parent / f"{name}.py").is_file():
        from aimscope_cli.eventing import is_format, render_events

        if not is_format(name):
            raise KeyError(name)
        return render_events(name, report)
    module = importlib.import_module(f"aimscope_cli.renderers.{name}")
    return cast("str", module.render(report))
