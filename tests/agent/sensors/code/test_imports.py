"""What code imports and commands install; and comments, strings and modules that only look like it."""

from __future__ import annotations

import pytest

from aimscope_agent.sensors.code import commands, imports

from .conftest import KNOWN, Look, names, seen


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("import openai", ["pymod:openai"]),
        ("import os, openai as ai", ["pymod:openai"]),
        ("import os; import openai", ["pymod:openai"]),
        ("    from openai.types import X", ["pymod:openai"]),
        ("from google import genai", ["pymod:google.genai"]),
        ("from google import (\n  auth,  # )\n", []),
        ("from google.genai import types", ["pymod:google.genai"]),
        ("m = importlib.import_module('openai.types')", ["pymod:openai"]),
        ("from . import openai", []),
        ("from .openai import x", []),
        ("from google import auth", []),
        ("import openai_utils", []),
        ("import google", []),
        ("openai = 1\nprint(openai)", []),
        ("# import openai", []),
        ('"""\nimport openai\n"""', []),
        ("x = '''\nimport openai", []),
        ('s = "it\'s"\nimport openai', ["pymod:openai"]),
        ("x = 'from a'\nimportant = openai", []),
    ],
)
def test_python_imports(code: str, wanted: list[str]) -> None:
    assert [name for name, _ in imports.python(code, KNOWN)] == wanted


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ('import OpenAI from "openai";', ["npm:openai"]),
        ("import {\n  a,\n} from '@anthropic-ai/sdk/resources'", ["npm:@anthropic-ai/sdk"]),
        ("export * from 'openai/core'", ["npm:openai"]),
        ("const x = require('openai')", ["npm:openai"]),
        ("await import(`openai`)", ["npm:openai"]),
        ('import "openai"', ["npm:openai"]),
        ('import x from "npm:openai@4.1"', ["npm:openai"]),
        ('import x from "./openai"', []),
        ('import x from "@/openai"', []),
        ('import x from "openai-helpers"', []),
        ('// import x from "openai"', []),
        ('/* require("openai") */', []),
        ("const s = 'import \"openai\"'", []),
        ('const s = `select * from "openai"`', []),
        ('const url = "https://x"; import y from "openai"', ["npm:openai"]),
        ("const openai = 1", []),
    ],
)
def test_javascript_imports(code: str, wanted: list[str]) -> None:
    assert [name for name, _ in imports.javascript(code, KNOWN)] == wanted


def test_go_and_rust_imports() -> None:
    go = 'import (\n\t"fmt"\n\t_ "github.com/openai/openai-go/v2/option"\n\t// "github.com/openai/openai-go"\n)\n'
    assert [place for _, place in imports.go(go, KNOWN)] == [go.index('"github')]
    assert not list(imports.go('import "github.com/openai/openai-gone"\nvar x = "github.com/openai/openai-go"', KNOWN))
    assert names(lambda text: imports.rust(text, KNOWN), "pub(crate) use async_openai::X;") == ["cargo:async-openai"]
    assert not list(
        imports.rust('// use async_openai::X;\nuse crate::async_openai;\nlet s = "\nuse async_openai;";', KNOWN)
    )


def test_a_module_of_the_project_hides_a_package_of_the_same_name(look: Look) -> None:
    result = look(
        {
            "ray.py": "",
            "main.py": "import ray\nimport mcp\nimport openai",
            "src/mcp/__init__.py": "",
            "src/app/__init__.py": "",
            "src/app/openai.py": "import openai",  # a package's own module does not hide: imports are absolute
            "src/app/chat.py": "import openai",
            "openai/data.csv": "",  # no package
        }
    )
    assert seen(result, "code.package") == [
        ("pymod:openai", "main.py:3"),
        ("pymod:openai", "src/app/chat.py:1"),
        ("pymod:openai", "src/app/openai.py:1"),
    ]


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("RUN pip install --no-cache-dir -U 'openai>=1' httpx", ["pypi:openai"]),
        ("RUN pip install \\\n    litellm[proxy]", ["pypi:litellm"]),
        ("uvx litellm openai", ["pypi:litellm"]),
        ("python -m pip3 install openai && true", ["pypi:openai"]),
        ("npm i -g @anthropic-ai/sdk@latest", ["npm:@anthropic-ai/sdk"]),
        ("go install github.com/openai/openai-go/cmd@latest", ["go:github.com/openai/openai-go"]),
        ("cargo add async-openai", ["cargo:async-openai"]),
        ("# pip install openai", []),
        ("pip install -r openai", []),
        ("pip install x; openai", []),
        ("pip uninstall openai", []),
        ("echo openai", []),
        ("mypip install openai", []),
    ],
)  # fmt: skip
def test_commands_that_install(command: str, wanted: list[str]) -> None:
    assert [name for name, _ in commands.known(command, KNOWN)] == wanted
