"""Packages: what each ecosystem leaves where it installs, what only looks like it, and traces that are broken."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.scan import ScanResult, scan
from aimscope_agent.sensor import Options
from aimscope_agent.sensors._packages_python import normalised
from aimscope_agent.sensors.packages import SENSOR
from aimscope_signatures.interests import Interests
from aimscope_signatures.model import Status

Look = Callable[..., ScanResult]
HOMES = {"linux": "/home/ann", "macos": "/Users/ann", "windows": "C:/Users/ann"}
VENV = "home/ann/app/.venv/lib/python3.12/site-packages"


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Scan planted files; a name that ends in ``/`` is a folder, a value that is a path a link to it."""

    def run(files: Mapping[str, bytes | str | Path], platform: str = "linux", **machine: object) -> ScanResult:
        root = tmp_path / "root"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name
            (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                path.symlink_to(content)
            elif not name.endswith("/"):
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        about = tmp_path / "machine.json"
        users = [{"name": "ann", "home": HOMES[platform]}]
        about.write_text(json.dumps({"platform": platform, "users": users, **machine}))
        return scan(OfflineHost(root, about), [SENSOR], Interests(), Options(), now=1)

    return run


Row = tuple[str, str | None, str, str]


def rows(result: ScanResult) -> list[Row]:
    """Package, version, manager and path of everything found."""
    return sorted(
        (
            str(one.fields["package"]),
            str(one.fields["version"]) if "version" in one.fields else None,
            str(one.fields["manager"]),
            str(one.fields["path"]),
        )
        for one in result.observations["packages"]
    )


def names(result: ScanResult) -> list[str]:
    return [row[0] for row in rows(result)]


def package(name: object, version: object = "1.0.0") -> str:
    return json.dumps({"name": name, "version": version})


# Python


@pytest.mark.parametrize(
    ("record", "name", "version"),
    [
        ("openai-2.1.0.dist-info/METADATA", "pypi:openai", "2.1.0"),
        ("Flask_OpenID-1.3.1.dist-info/METADATA", "pypi:flask-openid", "1.3.1"),
        ("ruamel.yaml-0.18.15.dist-info/METADATA", "pypi:ruamel-yaml", "0.18.15"),
        ("zope.interface-6.1-py3.12-linux-x86_64.egg-info/PKG-INFO", "pypi:zope-interface", "6.1"),
        ("torch-2.8.0+cu128.dist-info/METADATA", "pypi:torch", "2.8.0+cu128"),
        ("ufw-0.36.2.egg-info", "pypi:ufw", "0.36.2"),
        ("local_tool.egg-info/PKG-INFO", "pypi:local-tool", None),
    ],
)
def test_a_record_tells_name_and_version(look: Look, record: str, name: str, version: str | None) -> None:
    assert rows(look({f"{VENV}/{record}": ""})) == [(name, version, "pip", "~/app/.venv/lib/python3.12/site-packages")]


@pytest.mark.parametrize(
    "record",
    [
        f"{VENV}/openai/__init__.py",
        f"{VENV}/~penai-2.1.0.dist-info/METADATA",
        f"{VENV}/openai.dist-info/METADATA",
        f"{VENV}/setuptools/_vendor/packaging-24.2.dist-info/METADATA",
        f"{VENV}/notes-1.0.dist-info",
        "home/ann/app/src/openai.egg-info/PKG-INFO",
        "home/ann/downloads/openai-2.1.0.dist-info/METADATA",
        "home/ann/.cache/uv/archive-v0/x/site-packages/openai-2.1.0.dist-info/METADATA",
    ],
)
def test_what_is_no_record_of_an_installation(look: Look, record: str) -> None:
    assert names(look({record: ""})) == []


@pytest.mark.parametrize(
    ("platform", "folder", "manager"),
    [
        ("linux", "home/ann/.local/share/pipx/venvs/llm/lib/python3.12/site-packages", "pipx"),
        ("linux", "opt/pipx/venvs/llm/lib/python3.12/site-packages", "pipx"),
        ("linux", "home/ann/.local/share/uv/tools/llm/lib/python3.12/site-packages", "uv"),
        ("linux", "home/ann/uv/notes/lib/python3.12/site-packages", "pip"),
        ("linux", "home/ann/pipx/lib/python3.12/site-packages", "pip"),
        ("linux", "usr/lib/python3/dist-packages", "pip"),
        ("linux", "usr/lib64/python3.13/site-packages", "pip"),
        ("macos", "Library/Python/3.9/lib/python/site-packages", "pip"),
        ("macos", "Library/Frameworks/Python.framework/Versions/3.13/lib/python3.13/site-packages", "pip"),
        ("windows", "Users/ann/AppData/Roaming/uv/tools/llm/Lib/site-packages", "uv"),
        ("windows", "Users/ann/pipx/venvs/llm/Lib/site-packages", "pipx"),
        ("windows", "Python312/Lib/site-packages", "pip"),
    ],
)
def test_where_a_package_lies_tells_who_put_it_there(look: Look, platform: str, folder: str, manager: str) -> None:
    result = look({f"{folder}/llm-0.27.1.dist-info/METADATA": ""}, platform)
    path = {"windows": "C:/"}.get(platform, "/") + folder
    assert rows(result) == [("pypi:llm", "0.27.1", manager, path.replace(HOMES[platform], "~"))]


def test_libraries_of_both_word_lengths_in_one_folder_are_told_once(look: Look) -> None:
    found = look({"usr/lib/python3.13/site-packages/six-1.0.dist-info/METADATA": "", "usr/lib64": Path("lib")})
    assert names(found) == ["pypi:six"]


def test_conda_adds_what_is_no_python_distribution(look: Look) -> None:
    result = look(
        {
            "home/ann/miniconda3/conda-meta/history": "",
            "home/ann/miniconda3/conda-meta/pytorch-2.8.0-h0_0.json": "{torn",
            "home/ann/miniconda3/conda-meta/_libgcc_mutex-0.1-main.json": "",
            "home/ann/miniconda3/conda-meta/ruamel.yaml-0.18-py312_0.json": "",
            "home/ann/miniconda3/conda-meta/nonsense.json": "",
            "home/ann/miniconda3/lib/python3.12/site-packages/torch-2.8.0.dist-info/METADATA": "",
            "home/ann/miniconda3/lib/python3.12/site-packages/ruamel_yaml-0.18.dist-info/METADATA": "",
            "home/ann/miniconda3/envs/x/conda-meta/pytorch-2.7.0-h0_0.json": "",
            "opt/conda/conda-meta/pip-25.0-x.json": "",
            "opt/conda/pkgs/pip-25.0-x/lib/python3.12/site-packages/pip-25.0.dist-info/METADATA": "",
        }
    )
    assert rows(result) == [
        ("conda:_libgcc_mutex", "0.1", "conda", "~/miniconda3/conda-meta"),
        ("conda:pip", "25.0", "conda", "/opt/conda/conda-meta"),
        ("conda:pytorch", "2.7.0", "conda", "~/miniconda3/envs/x/conda-meta"),
        ("conda:pytorch", "2.8.0", "conda", "~/miniconda3/conda-meta"),
        ("pypi:ruamel-yaml", "0.18", "conda", "~/miniconda3/lib/python3.12/site-packages"),
        ("pypi:torch", "2.8.0", "conda", "~/miniconda3/lib/python3.12/site-packages"),
    ]


@given(st.text(alphabet="aB1-_.", min_size=1, max_size=20))
def test_a_normalised_name_stays_as_it_is(name: str) -> None:
    assert normalised(normalised(name)) == normalised(name) == normalised(name.upper().replace("-", "_"))


# npm and its kin


def test_only_what_lies_directly_in_node_modules_counts(look: Look) -> None:
    result = look(
        {
            "home/ann/app/node_modules/openai/package.json": package("openai", "6.1.0"),
            "home/ann/app/node_modules/openai/node_modules/ms/package.json": package("ms"),
            "home/ann/app/node_modules/@ai-sdk/openai/package.json": package("@ai-sdk/openai", "2.0.1"),
            "home/ann/app/node_modules/.bin/openai": "",
            "home/ann/app/node_modules/.cache/x/package.json": package("x"),
            "home/ann/app/package.json": package("app"),
            "home/ann/app/openai/package.json": package("declared-only"),
        }
    )
    assert rows(result) == [
        ("npm:@ai-sdk/openai", "2.0.1", "npm", "~/app/node_modules"),
        ("npm:openai", "6.1.0", "npm", "~/app/node_modules"),
    ]


def test_the_distributions_own_node_modules(look: Look) -> None:
    result = look({"usr/lib/node_modules/@openai/codex/package.json": package("@openai/codex", "0.44.0")})
    assert rows(result) == [("npm:@openai/codex", "0.44.0", "npm", "/usr/lib/node_modules")]


@pytest.mark.parametrize(
    "about",
    [
        b"",
        b"{",
        b"[]",
        b'"openai"',
        b"\xff\xfe\xff",
        b"[" * 5_000,
        package("openai", "").encode(),
        package("openai", 1).encode(),
        package(["openai"]).encode(),
        package("open ai").encode(),
        package("../openai").encode(),
        package("@/openai").encode(),
        b'{"name": "openai"}',
        b'{"version": "1.0.0"}',
        b'{"name": "openai", "version": "1.0.0", "x": "' + b"x" * 1_100_000 + b'"}',
    ],
)
def test_a_folder_that_names_no_package_costs_nothing_else(look: Look, about: bytes) -> None:
    files = {"node_modules/a/package.json": about, "node_modules/b/package.json": package("b"), "node_modules/c/": ""}
    assert names(look({f"home/ann/app/{name}": content for name, content in files.items()})) == ["npm:b"]


@pytest.mark.parametrize(
    ("folder", "beside", "manager"),
    [
        ("app/node_modules", {}, "npm"),
        ("app/node_modules", {".package-lock.json": "{torn"}, "npm"),
        ("app/node_modules", {".yarn-integrity": "{}"}, "yarn"),
        ("app/node_modules", {".yarn-state.yml": ""}, "yarn"),
        ("app/node_modules", {".modules.yaml": ""}, "pnpm"),
        ("app/node_modules", {".pnpm/lock.yaml": ""}, "pnpm"),
        (".bun/install/global/node_modules", {}, "bun"),
        (".npm/_npx/eea2bd7412d4593b/node_modules", {}, "npm"),
        (".nvm/versions/node/v22/lib/node_modules", {}, "npm"),
    ],
)
def test_who_looks_after_a_node_modules(look: Look, folder: str, beside: dict[str, str], manager: str) -> None:
    files = {"ai/package.json": package("ai", "5.0.57"), **beside}
    result = look({f"home/ann/{folder}/{name}": content for name, content in files.items()})
    assert rows(result) == [("npm:ai", "5.0.57", manager, f"~/{folder}")]


def test_links_of_pnpm_are_followed_within_the_root_and_its_store_is_left_out(look: Look, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "package.json").write_text(package("outside"))
    store = "home/ann/.local/share/pnpm/global/5/.pnpm/ai@5.0.57/node_modules"
    result = look(
        {
            f"{store}/ai/package.json": package("ai", "5.0.57"),
            f"{store}/ms/package.json": package("ms"),
            "home/ann/.local/share/pnpm/store/v10/links/ms/1/x/node_modules/ms/package.json": package("ms"),
            "home/ann/.local/share/pnpm/global/5/node_modules/.modules.yaml": "",
            "home/ann/.local/share/pnpm/global/5/node_modules/ai": Path("../.pnpm/ai@5.0.57/node_modules/ai"),
            "home/ann/.local/share/pnpm/global/5/node_modules/gone": Path("../.pnpm/gone"),
            "home/ann/.local/share/pnpm/global/5/node_modules/out": Path("../" * 20 + str(tmp_path)[1:] + "/outside"),
        }
    )
    assert rows(result) == [("npm:ai", "5.0.57", "pnpm", "~/.local/share/pnpm/global/5/node_modules")]


def test_what_npm_wrote_down_saves_reading_but_proves_no_presence(look: Look) -> None:
    lock = {
        "packages": {
            "node_modules/openai": {"version": "6.1.0"},
            "node_modules/alias": {"version": "2.0.0", "name": "real"},
            "node_modules/@scope/x": {"version": "3.0.0"},
            "node_modules/not-here": {"version": "1.0.0"},
            "node_modules/linked": {"link": True},
            "node_modules/wrong": {"version": 3},
            "node_modules/odd": [],
            "node_modules/openai/node_modules/ms": {"version": "2.1.3"},
        }
    }
    here = "home/ann/app/node_modules"
    result = look(
        {
            f"{here}/.package-lock.json": json.dumps(lock),
            **{f"{here}/{name}/": "" for name in ("openai", "alias", "@scope/x", "odd")},
            f"{here}/wrong/package.json": package("wrong", "3.0.0"),
            f"{here}/linked/package.json": package("linked", "0.1.0"),
            f"{here}/unlisted/package.json": package("unlisted", "4.0.0"),
        }
    )
    assert [row[:2] for row in rows(result)] == [
        ("npm:@scope/x", "3.0.0"),
        ("npm:linked", "0.1.0"),
        ("npm:openai", "6.1.0"),
        ("npm:real", "2.0.0"),
        ("npm:unlisted", "4.0.0"),
        ("npm:wrong", "3.0.0"),
    ]


@pytest.mark.parametrize("lock", ["[]", '{"packages": []}', '{"packages": {"": {"version": "1"}}}', "{}", "\0"])
def test_a_strange_note_of_npm_costs_nothing(look: Look, lock: str) -> None:
    here = "home/ann/app/node_modules"
    assert names(look({f"{here}/.package-lock.json": lock, f"{here}/ai/package.json": package("ai")})) == ["npm:ai"]


# cargo and gems


def test_crates_that_cargo_has_installed(look: Look) -> None:
    source = "(registry+https://github.com/rust-lang/crates.io-index)"
    keys = [f"aichat 0.30.0 {source}", "x 1.0.0-rc.1+b (git+https://x.example/y#abc)", "nothing", "a b (c)", ""]
    result = look(
        {
            "home/ann/.cargo/.crates2.json": json.dumps({"installs": dict.fromkeys(keys)}),
            "home/ann/app/Cargo.toml": '[dependencies]\nasync-openai = "0.29"\n',
            "home/ann/.cargo/registry/src/x/aichat-0.1/.crates2.json": json.dumps({"installs": {keys[0]: {}}}),
        }
    )
    assert rows(result) == [
        ("cargo:aichat", "0.30.0", "cargo", "~/.cargo"),
        ("cargo:x", "1.0.0-rc.1+b", "cargo", "~/.cargo"),
    ]


@pytest.mark.parametrize("content", ["", "[]", '{"installs": []}', '{"installs": null}', "{" * 200])
def test_a_strange_record_of_cargo_tells_nothing(look: Look, content: str) -> None:
    assert names(look({"home/ann/.cargo/.crates2.json": content})) == []


@pytest.mark.parametrize(
    ("file", "name", "version"),
    [
        ("ruby-openai-8.3.0.gemspec", "gem:ruby-openai", "8.3.0"),
        ("http-2-1.0.2.gemspec", "gem:http-2", "1.0.2"),
        ("ruby_llm-1.8.2.pre1.gemspec", "gem:ruby_llm", "1.8.2.pre1"),
        ("nokogiri-1.18.9-x86_64-linux-gnu.gemspec", "gem:nokogiri", "1.18.9"),
        ("nokogiri-1.18.9-arm64-darwin.gemspec", "gem:nokogiri", "1.18.9"),
        ("jruby-openssl-0.15.4-java.gemspec", "gem:jruby-openssl", "0.15.4"),
        ("sqlite3-2.7.3-x64-mingw-ucrt.gemspec", "gem:sqlite3", "2.7.3"),
    ],
)
def test_the_file_of_a_gem_tells_name_and_version(look: Look, file: str, name: str, version: str) -> None:
    folder = ".rbenv/versions/3.4.6/lib/ruby/gems/3.4.0/specifications"
    assert rows(look({f"home/ann/{folder}/{file}": ""})) == [(name, version, "gem", f"~/{folder}")]


@pytest.mark.parametrize(
    "file",
    [
        "home/ann/app/ruby-openai-8.3.0.gemspec",
        "home/ann/.gem/ruby/3.4.0/gems/ruby-openai-8.3.0/ruby-openai.gemspec",
        "home/ann/.gem/ruby/3.4.0/specifications/default/json-2.9.1.gemspec",
        "home/ann/.gem/ruby/3.4.0/specifications/json.gemspec",
        "home/ann/.gem/ruby/3.4.0/specifications/-1.gemspec",
    ],
)
def test_what_is_no_installed_gem(look: Look, file: str) -> None:
    assert names(look({file: ""})) == []


@pytest.mark.parametrize(
    "folder",
    [
        "var/lib/gems/3.4.0",
        "usr/lib/ruby/gems/3.4.0",
        "usr/share/gems",
        "home/ann/.gem/ruby/3.4.0",
        "home/ann/.local/share/gem/ruby/3.4.0",
        "home/ann/.rvm/gems/ruby-3.4.6@app",
    ],
)
def test_where_gems_lie(look: Look, folder: str) -> None:
    assert names(look({f"{folder}/specifications/rake-13.3.0.gemspec": ""})) == ["gem:rake"]


# coverage


@pytest.mark.parametrize("platform", ["linux", "macos", "windows"])
def test_an_empty_machine_has_no_packages_and_no_gaps(look: Look, platform: str) -> None:
    result = look({}, platform)
    assert names(result) == []
    assert result.coverage[0].gaps == ()


def test_a_closed_home_is_one_gap(look: Look) -> None:
    result = look({f"{VENV}/openai-2.1.0.dist-info/METADATA": ""}, denied=["/home/ann"])
    assert names(result) == []
    assert [(gap.source, gap.status) for gap in result.coverage[0].gaps] == [("/home/ann", Status.DENIED)]
