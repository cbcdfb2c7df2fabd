"""Which files are read and what is reported of them; notebooks; files that are broken or no files."""

from __future__ import annotations

import json
import os
from pathlib import Path

from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.scan import scan
from aimscope_agent.sensor import Options
from aimscope_agent.sensors.code import SENSOR
from aimscope_signatures.model import Status

from .conftest import INTERESTS, Look, seen


def notebook(*sources: object, language: str = "python") -> str:
    cells = [{"cell_type": "code", "source": source} for source in sources]
    return json.dumps({"metadata": {"kernelspec": {"language": language}}, "cells": cells}, indent=1)


def test_notebooks_are_read_cell_by_cell(look: Look) -> None:
    text = notebook(
        ["import os\n", "import openai"], "!pip install litellm\nmodel='gpt-4o'", "%%bash\nimport mcp", 3, [None]
    )
    result = look({"a.ipynb": text, "r.ipynb": notebook("import openai", language="R"), "torn.ipynb": text[:50]})
    lines = text.split("\n")
    assert seen(result, "code.package") == [
        ("pymod:openai", f"a.ipynb:{lines.index(next(line for line in lines if 'import openai' in line)) + 1}"),
        ("pypi:litellm", f"a.ipynb:{lines.index(next(line for line in lines if 'litellm' in line)) + 1}"),
    ]
    assert [model for model, _ in seen(result, "code.model")] == ["gpt-4o"]
    assert [gap.reason for gap in result.coverage[0].gaps] == ["not valid JSON"]


# files


def test_what_is_reported_of_a_file(look: Look) -> None:
    result = look({"src/a.py": "\n\nimport openai\nimport openai\n"})
    (one,) = result.observations["code"]
    assert (one.source, one.subject) == ("src/a.py:3", "")
    assert one.fields == {"package": "pymod:openai", "how": "import", "path": "src/a.py", "line": 3}


def test_of_several_projects_the_source_says_which(look: Look) -> None:
    result = look(
        {"a/x.py": "import openai", "b/x.py": "import openai", "b/in/y.py": "import openai"}, "/p/a", "/p/b", "/p/b/in"
    )
    told = sorted((one.source, one.fields["path"]) for one in result.observations["code"])
    assert told == [("a/x.py:1", "x.py"), ("b/in/y.py:1", "in/y.py"), ("b/x.py:1", "x.py")]


def test_the_whole_tree_may_be_a_project(look: Look) -> None:
    assert seen(look({"x.py": "import openai"}, "/"), "code.package") == [("pymod:openai", "p/x.py:1")]


def test_no_project_is_nothing_to_look_at(tmp_path: Path) -> None:
    result = scan(OfflineHost(tmp_path), [SENSOR], INTERESTS, Options(projects=("/none",)), now=1)
    assert (result.observations["code"], result.coverage[0].status) == ((), Status.COMPLETE)


def test_large_binary_and_generated_files(look: Look) -> None:
    code = "import openai\n"
    result = look(
        {
            "big.py": code + "#" * 1_100_000,
            "big.json": '"gpt-4o"' + " " * 1_100_000,
            "bundle.js": 'require("openai");' + "x;" * 60_000,
            "lib.min.js": 'require("openai");',
            "data.py": b"import openai\n\0\1\2",
            "wide.py": code.encode("utf-16"),
            "bad.py": b"# \xff\xfe\n" + code.encode(),
        }
    )
    assert seen(result, "code.package") == [("pymod:openai", "bad.py:2"), ("pymod:openai", "wide.py:1")]
    assert [(gap.source, gap.reason) for gap in result.coverage[0].gaps] == [("/p/big.py", "larger than 1 MiB")]


def test_links_pipes_and_closed_folders_do_not_stop_it(look: Look, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.py").write_text("import openai")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "loop").symlink_to(tmp_path / "p")
    (tmp_path / "p" / "out").symlink_to(outside)
    (tmp_path / "p" / "link.py").symlink_to(outside / "x.py")
    os.mkfifo(tmp_path / "p" / "pipe.py")
    result = look({"node_modules/x/index.js": 'require("openai")', "a.py": "import openai"})
    assert seen(result, "code.package") == [("pymod:openai", "a.py:1")]
    assert [gap.reason for gap in result.coverage[0].gaps] == ["not a regular file"]
