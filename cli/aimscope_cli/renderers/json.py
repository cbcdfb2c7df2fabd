"""The report as a JSON document; its schema is `docs/reference/scan.schema.json`."""

from __future__ import annotations

import msgspec

from aimscope_cli.report import Report


def render(report: Report) -> str:
    """Indented, keys in a fixed order."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()
