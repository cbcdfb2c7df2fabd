"""Fixtures of the end-to-end tests: all of them are marked, and the slow parts are shared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.machine import Machine, NotPermittedError

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the registries or a private machine, and time."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session", autouse=True)
def compiled_catalogue(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The catalogue is compiled once for all runs, not once per throw-away home."""
    os.environ["AIMSCOPE_E2E_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def private_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Machine]]:
    """Makes a machine whose only home is the one given. Skips, saying why, where the system does not permit it."""
    made: list[Machine] = []

    def make(home: Path) -> Machine:
        try:
            made.append(Machine(home, tmp_path_factory.mktemp("machine")))
        except NotPermittedError as error:
            pytest.skip(f"the live part needs namespaces of processes, mounts and network: {error}")
        return made[-1]

    yield make
    for machine in made:
        machine.close()
