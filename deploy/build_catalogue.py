"""Build hook: a wheel carries the compiled catalogue, so that starting up parses no YAML."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CatalogueHook(BuildHookInterface[Any]):
    """Writes ``catalogue.msgpack`` beside the package while the wheel is built, and removes it after."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the catalogue; an editable install does without (it reads the checkout)."""
        if version == "editable":
            return
        package = Path(self.root) / "signatures"
        sys.path.insert(0, str(package))
        try:
            from aimscope_signatures import bundle, catalogue  # noqa: PLC0415 - the package being built
        finally:
            sys.path.remove(str(package))
        target = Path(self.directory) / "catalogue.msgpack"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(bundle.pack(catalogue.load()))
        build_data["force_include"][str(target)] = "aimscope_signatures/catalogue.msgpack"
