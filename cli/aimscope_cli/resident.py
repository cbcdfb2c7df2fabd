"""The agent's service, alone in its process: without what reads a command line, which would stay in memory for weeks.

`aimscope agent run` becomes this program, under the same process id.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from aimscope_cli.output import hint

_QUIET = "quiet"
_LOUD = "loud"


def become(config: Path | None, *, quiet: bool) -> None:
    """Go on as this program where the system can, else do its work here."""
    words = [_QUIET if quiet else _LOUD, *([str(config)] if config else [])]
    if sys.platform == "win32":  # there it would be another process
        run(words)
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "aimscope_cli.resident", *words])  # noqa: S606 - ourselves


def run(words: list[str]) -> None:
    """Run the service until it is stopped. Raises ``Failure``."""
    # httpx loads a command line of its own if it can, and with it what draws tables: 4 MB
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    from aimscope_agent.watchdog import give_back_memory, lower_priority
    from aimscope_cli.agent_parts import service

    with service(Path(words[1]) if len(words) > 1 else None) as agent:
        if words[0] != _QUIET:
            url = agent.reporter.collector.url
            hint(f"The agent runs; it reports to {url or 'nobody: no collector is configured'}.")
        if not agent.config.gateway.interfaces:  # children inherit it, and packets do not wait
            lower_priority()
        give_back_memory()
        agent.run()


if __name__ == "__main__":
    from aimscope_cli.guard import guarded

    guarded(lambda: run(sys.argv[1:]))
