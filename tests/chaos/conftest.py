from __future__ import annotations

from tests.collector.fleet.conftest import database, made_postgresql, made_sqlite, postgresql, where

__all__ = ["database", "made_postgresql", "made_sqlite", "postgresql", "where"]
