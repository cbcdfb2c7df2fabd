from __future__ import annotations

from pathlib import Path

import pytest

from aimscope_signatures.catalogue import Catalogue, load

HOLLY = """\
id: holly
name: Holly
vendor: Holly Labs
category: coding-assistant
surface: [desktop, api]
homepage: https://holly.example
summary: An assistant made up for the tests.
maturity: stable
domains: [holly.example]
hosts: ["run.*.cloud.example"]
urls: [saas.example/holly/]
apps: {macos: [com.holly.app], windows_name: ["Holly *"], linux: [holly]}
processes: [holly]
packages: ["pypi:holly-sdk", "npm:@holly/cli"]
extensions: ["vscode:holly.holly"]
config: ["~/.holly/**"]
mcp_config: ["~/.holly/mcp.json", "./.holly/mcp.json"]
env: [HOLLY_API_KEY, "HOLLY_*_TOKEN"]
keys: ["hly-[A-Za-z0-9]{20}"]
images: [holly/holly]
model_ids: ["holly-*"]
ports: [4242]
probes:
  status: {path: /api/status, body: ['*"product":"holly"*']}
clauses:
  signed: {kind: process, all: {exe: {glob: ["*/holly.exe"]}, signer: {equals: [Holly Labs Ltd]}}, identity: certain}
references:
  - url: https://holly.example/docs
    checked: 2026-11-01
    facts: [domains, hosts, urls, apps, processes, packages, extensions, config, mcp_config, env, keys, images,
            model_ids, ports, probes, clauses]
examples:
  match:
    domains: [api.holly.example]
    hosts: [run.eu-1.cloud.example]
    urls: [saas.example/holly/chat]
    apps: ["bundle:com.holly.app", "uninstall:Holly 2.1", "dpkg:holly"]
    processes: [holly.exe]
    packages: ["pypi:Holly_SDK", "pymod:holly_sdk"]
    extensions: ["vscode:Holly.holly"]
    config: ["~/.holly/settings"]
    mcp_config: ["~/.holly/mcp.json"]
    env: [HOLLY_API_KEY, HOLLY_EU_TOKEN]
    keys: [hly-EXAMPLEEXAMPLEEXAMPL]
    images: ["holly/holly:1"]
    model_ids: [holly-7b]
    observations:
      - {kind: http.response, path: /api/status, status: 200, body: '{"product":"holly"}'}
      - {kind: process, exe: "C:/x/holly.exe", signer: Holly Labs Ltd}
      - {kind: credential, key_pattern: "holly#0"}
  no_match:
    domains: [nholly.example]
    observations:
      - {kind: process, exe: "C:/x/holly.exe", signer: Another}
      - {kind: process, exe: "C:/x/other.exe", signer: Holly Labs Ltd}
"""


def write(folder: Path, text: str, name: str = "holly", category: str = "coding-assistant") -> Path:
    path = folder / category / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def holly(tmp_path: Path) -> Catalogue:
    """A catalogue of one service that has every section."""
    write(tmp_path, HOLLY)
    return load(tmp_path)
