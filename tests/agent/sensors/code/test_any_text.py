"""Every reader takes any text, in bounded time."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.host.reading import UnreadableError
from aimscope_agent.sensors.code import commands, images, imports, locks, manifests, mentions, notebooks
from aimscope_agent.sensors.code.text import Lines

from .conftest import KNOWN, WORDS, manifest, mentioned

FRAGMENTS = st.sampled_from(
    ["import", "from", "(", ")", "\"", "'", '"""', "`", "\n", "#", "//", "/*", "*/", "openai", "{", "}", "[", "]", ":",
     "=", "https://", "$", "image", "FROM ", "[[package]]\nname = ", "- ", ",", "\\", "\0", "pip install ",
     "<dependency>", "install_requires=", "require (", "@", "gpt-4o", ".", "-", "é", "\ud83d", " "]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=300), st.lists(FRAGMENTS, max_size=60).map("".join)).map(
    lambda text: text.encode("utf-8", "replace").decode()
)
MANIFESTS = ["requirements.txt", "pyproject.toml", "setup.cfg", "setup.py", "Pipfile", "environment.yml",
             "package.json", "Cargo.toml", "go.mod", "Gemfile", "pom.xml", "build.gradle",
             "composer.json", "a.csproj"]  # fmt: skip


@pytest.mark.parametrize("path", MANIFESTS)
@given(text=TEXTS)
def test_manifest_readers_take_any_text(path: str, text: str) -> None:
    reader = manifests.reader(path)
    assert reader
    try:
        found = list(reader(text))
    except UnreadableError:
        return
    assert all(":" in name and 0 <= offset <= len(text) for name, offset in found)


@given(text=TEXTS)
def test_readers_of_text_take_any_text(text: str) -> None:
    found = [hit for reader in locks.LOCKS.values() for hit in reader(text)]
    found += [hit for importer in set(imports.IMPORTERS.values()) for hit in importer(text, KNOWN)]
    found += [*commands.known(text, KNOWN), *images.dockerfile(text), *images.yaml(text), *images.json(text)]
    found += [(one.host or one.model, one.offset) for one in mentions.mentions(text, WORDS, settings=True)]
    assert all(name and 0 <= offset <= len(text) for name, offset in found)


@given(
    cells=st.recursive(
        st.none() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["cells", "cell_type", "source", "metadata", "code"]), inner)
        ),
        max_leaves=20,
    )
)
def test_notebooks_take_any_json(cells: object) -> None:
    for document in (
        cells,
        {"cells": cells},
        {"cells": [cells], "metadata": cells},
        {"cells": [{"cell_type": "code", "source": cells}]},
    ):
        assert all(isinstance(cell.code, str) for cell in notebooks.cells(json.dumps(document)))


@given(text=st.text(alphabet="ab\n\r", max_size=50), data=st.data())
def test_lines_count_what_lies_before(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    assert Lines(text).at(offset) == text.count("\n", 0, offset) + 1


@pytest.mark.parametrize(
    "text",
    ["/*" * 200_000, "`" * 200_001, "import (" * 100_000, '"""' * 150_001, "import " * 100_000, "{" * 500_000,
     "https://" * 100_000, '"a' * 300_000, "from a import (" * 50_000, "node_modules/" * 50_000, "- image: " * 80_000,
     '"node_modules/' * 50_000, "pip install " * 60_000, "<dependency><groupId>" * 40_000,
     "install_requires=[" * 50_000, "model: " * 90_000, "a." * 300_000, " " * 900_000, "\n" * 900_000,
     "import openai\n" * 60_000],
    ids=lambda text: text[:20].strip() or repr(text[:2]),
)  # fmt: skip
def test_text_made_to_be_slow_is_not(text: str) -> None:
    """Within the time limit of every test: each expression is linear, or bounded where it is not."""
    for importer in set(imports.IMPORTERS.values()):
        list(importer(text, KNOWN))
        list(importer(f'{text}\nimport openai from "openai"', KNOWN))
    for reader in (*locks.LOCKS.values(), images.dockerfile, images.yaml, images.json):
        list(reader(text))
    for path in (
        "requirements.txt",
        "setup.py",
        "setup.cfg",
        "go.mod",
        "pom.xml",
        "build.gradle",
        "a.csproj",
        "Gemfile",
    ):
        manifest(path, text)
    list(commands.known(text, KNOWN))
    mentioned(text, settings=True)
