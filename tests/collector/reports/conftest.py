"""Databases to test reports with: those of the fleet's tests."""

from __future__ import annotations

from tests.collector.fleet.conftest import database, postgresql, where

__all__ = ["database", "postgresql", "where"]
