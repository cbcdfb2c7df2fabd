"""What an agent is told when nothing can be written now."""

from __future__ import annotations

from typing import Final

from aimscope_collector.ingest.context import Context
from aimscope_collector.ingest.problems import Refusal

_SOONEST: Final = 5.0
_SPREAD: Final = 25.0


def unavailable(context: Context, error: Exception) -> Refusal:
    """Come back, and not all at the same time."""
    return Refusal("unavailable", str(error), retry_after=_SOONEST + _SPREAD * context.uniform())
