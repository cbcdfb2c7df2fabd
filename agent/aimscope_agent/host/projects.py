"""Where a look through project folders goes, and where it does not: ``./**`` finds what people wrote."""

from __future__ import annotations

from collections.abc import Container
from typing import Final


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


DEPTH: Final = 40
MOST_ENTRIES: Final = 300_000
"""Names looked at in one project."""

CLOSED: Final = _names(
    """
    .git .hg .svn .jj
    node_modules bower_components jspm_packages vendor Pods Carthage
    site-packages dist-packages .venv .tox .nox .eggs __pypackages__ .bundle
    dist build target .next .nuxt .output .svelte-kit .parcel-cache .turbo .angular
    __pycache__ .mypy_cache .ruff_cache .pytest_cache .hypothesis .ipynb_checkpoints
    .gradle .terraform .serverless .aws-sam .dart_tool .cache .yarn .pnpm-store htmlcov
    """
)
"""Folders of what was fetched or built: what stands in them is declared beside them."""

_MARK_OF_ENVIRONMENT: Final = "pyvenv.cfg"


def is_environment(names: Container[str]) -> bool:
    """Whether a folder with these names in it is a virtual environment of Python, whatever it is called."""
    return _MARK_OF_ENVIRONMENT in names
