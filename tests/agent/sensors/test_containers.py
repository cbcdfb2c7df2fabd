"""Containers: answers of engines and their state on disk, names of images, broken answers and files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.sensors.planted import Host, fields, gaps

from aimscope_agent.sensors._containers_engines import (
    Image,
    containerd_lists,
    docker_answers,
    docker_files,
    podman_images,
    reference,
)
from aimscope_agent.sensors.containers import SENSOR
from aimscope_signatures.model import Status, Value

SOCKET = "/var/run/docker.sock"
ID = "sha256:" + "a" * 64


@pytest.fixture
def linux(tmp_path: Path) -> Host:
    return Host(tmp_path)


def docker(images: object, containers: object, socket: str = SOCKET) -> dict[str, object]:
    return {f"{socket} /images/json": images, f"{socket} /containers/json": containers}


def seen(host: Host, **machine: object) -> list[tuple[Value | None, ...]]:
    found = fields(host.look(SENSOR, None, **machine))
    return [tuple(each.get(name) for name in ("image", "tag", "name", "running")) for each in found]


# names of images


@pytest.mark.parametrize(
    ("text", "image", "tag"),
    [
        ("ollama/ollama:0.12.3", "ollama/ollama", "0.12.3"),
        ("docker.io/library/redis", "redis", ""),
        ("ghcr.io/open-webui/open-webui:main", "ghcr.io/open-webui/open-webui", "main"),
        ("registry.corp.example:5000/team/app", "registry.corp.example:5000/team/app", ""),
        ("registry.corp.example:5000/team/app:1", "registry.corp.example:5000/team/app", "1"),
        (f"redis:7@{ID}", "redis", "7"),
    ],
)
def test_an_image_and_its_tag(text: str, image: str, tag: str) -> None:
    assert reference(text) == Image(image, tag)


@pytest.mark.parametrize("text", [ID, "a" * 64, "0123456789ab", "<none>:<none>", "", "  ", "a b", None, 7, ["redis"]])
def test_what_is_no_image(text: object) -> None:
    assert reference(text) is None


def test_a_container_without_tag_is_the_latest_unless_a_digest_pins_it() -> None:
    assert reference("redis", "latest") == Image("redis", "latest")
    assert reference(f"redis@{ID}", "latest") == Image("redis", "")


# Docker


def test_what_docker_answers(linux: Host) -> None:
    images = [
        {"Id": ID, "RepoTags": ["ollama/ollama:0.12.3", "ollama/ollama:latest"]},
        {"Id": "sha256:" + "b" * 64, "RepoTags": ["redis:7"]},
        {"Id": "sha256:" + "c" * 64, "RepoTags": ["<none>:<none>"]},
        {"Id": "sha256:" + "d" * 64, "RepoTags": None},
    ]
    containers = [{"Names": ["/llm"], "Image": "ollama/ollama:latest", "ImageID": ID}]
    assert seen(linux, unix_http=docker(images, containers)) == [
        ("ollama/ollama", "latest", "llm", True),
        ("ollama/ollama", "0.12.3", None, False),
        ("redis", "7", None, False),
    ]


def test_a_container_whose_image_goes_by_number_only(linux: Host) -> None:
    images = [{"Id": ID, "RepoTags": ["redis:7"]}]
    containers = [{"Names": ["/a"], "Image": ID, "ImageID": ID}, {"Names": ["/b"], "Image": "0" * 12, "ImageID": "x"}]
    assert seen(linux, unix_http=docker(images, containers)) == [("redis", "7", "a", True)]


def test_two_containers_of_one_image(linux: Host) -> None:
    containers = [{"Names": [f"/{name}"], "Image": "redis"} for name in ("a", "b", "b")]
    assert [each[2] for each in seen(linux, unix_http=docker([], containers))] == ["a", "b"]


STORE = "/var/lib/docker"
REPOSITORIES = {"Repositories": {"redis": {"redis:7": ID, f"redis@{ID}": ID}, "ollama/ollama": {"ollama/ollama:1": ID}}}
CONFIG = {"Name": "/llm", "Config": {"Image": "ollama/ollama:1"}, "State": {"Running": True}}


def test_dockers_state_where_the_socket_is_silent(linux: Host) -> None:
    linux.plant(
        {
            f"{STORE}/image/overlay2/repositories.json": REPOSITORIES,
            f"{STORE}/containers/{'1' * 64}/config.v2.json": CONFIG,
            f"{STORE}/containers/{'2' * 64}/config.v2.json": {
                "Config": {"Image": "alpine"},
                "State": {"Running": False},
            },
        }
    )
    assert seen(linux) == [
        ("ollama/ollama", "1", "llm", True),
        ("redis", "7", None, False),
        ("alpine", "latest", None, False),
    ]


def test_the_state_is_not_read_where_the_socket_answers(linux: Host) -> None:
    linux.plant({f"{STORE}/image/overlay2/repositories.json": REPOSITORIES})
    assert seen(linux, unix_http=docker([], [])) == []


def test_a_users_own_docker_belongs_to_the_user(linux: Host) -> None:
    linux.plant({".local/share/docker/containers/1/config.v2.json": CONFIG})
    result = linux.look(SENSOR, unix_http=docker([], []))
    assert [(each.subject, each.fields["image"]) for each in result.observations["containers"]] == [
        ("ann", "ollama/ollama")
    ]


@pytest.mark.parametrize("folder", [".colima/default", ".orbstack/run", ".rd"])
def test_engines_of_a_user_are_asked(linux: Host, folder: str) -> None:
    linux.plant({f"{folder}/docker.sock": ""})
    answers = docker([{"Id": ID, "RepoTags": ["redis:7"]}], [], f"/home/ann/{folder}/docker.sock")
    assert [each[0] for each in seen(linux, unix_http=answers)] == ["redis"]


def test_one_engine_behind_two_sockets_is_told_once(linux: Host) -> None:
    linux.plant({".docker/run/docker.sock": ""})
    other = "/home/ann/.docker/run/docker.sock"
    images = [{"Id": ID, "RepoTags": ["redis:7"]}]
    more = [*images, {"Id": "x", "RepoTags": ["ollama/ollama:1"]}]
    found = seen(linux, unix_http=docker(images, []) | docker(more, [], other))
    assert [each[0] for each in found] == ["redis", "ollama/ollama"]


def test_no_docker_is_no_gap_and_a_closed_socket_is_one(linux: Host) -> None:
    assert gaps(linux.look(SENSOR)) == set()
    assert gaps(linux.look(SENSOR, denied=[SOCKET])) == {(Status.DENIED, SOCKET)}
    assert gaps(linux.look(SENSOR, denied=[STORE])) == {(Status.DENIED, STORE)}


def test_docker_desktop_on_windows_is_a_gap(tmp_path: Path) -> None:
    host = Host(tmp_path, "windows")
    assert gaps(host.look(SENSOR)) == set()
    host.plant({"/Program Files/Docker/Docker/Docker Desktop.exe": b"MZ"})
    assert gaps(host.look(SENSOR)) == {(Status.UNSUPPORTED, "docker")}


# Podman and containerd


def test_podmans_images_of_the_machine_and_of_a_user(linux: Host) -> None:
    images = [
        {"id": "1", "names": ["docker.io/library/redis:8", f"docker.io/library/redis@{ID}"]},
        {"id": "2"},
        {"id": "3", "names": ["quay.io/ramalama/ramalama:0.12"]},
    ]
    linux.plant(
        {
            ".local/share/containers/storage/overlay-images/images.json": images,
            "/var/lib/containers/storage/vfs-images/images.json": images[2:],
        }
    )
    result = linux.look(SENSOR)
    assert [(each.subject, each.fields) for each in result.observations["containers"]] == [
        ("ann", {"image": "redis", "runtime": "podman", "tag": "8"}),
        ("ann", {"image": "quay.io/ramalama/ramalama", "runtime": "podman", "tag": "0.12"}),
        ("", {"image": "quay.io/ramalama/ramalama", "runtime": "podman", "tag": "0.12"}),
    ]


def test_what_containerd_lists(linux: Host) -> None:
    vllm = "docker.io/vllm/vllm-openai"
    commands = {
        "ctr-images-k8s": f"{vllm}:v1\n{vllm}@{ID}\n{ID}\nregistry.k8s.io/pause:3\n",
        "ctr-containers-k8s": f"CONTAINER IMAGE RUNTIME\nabc {vllm}:v1 io.x\ndef docker.io/redis io.x\n",
        "ctr-tasks-k8s": "abc\n",
    }
    assert seen(linux, commands=commands) == [
        ("vllm/vllm-openai", "v1", None, True),
        ("registry.k8s.io/pause", "3", None, False),
    ]


# broken


@pytest.mark.parametrize("answer", [None, {}, "x", 5, [5, "x", None, {"RepoTags": 5}, {"RepoTags": {"a": 1}}], [[]]])
def test_answers_of_other_forms(linux: Host, answer: object) -> None:
    assert seen(linux, unix_http=docker(answer, answer)) == []
    assert seen(linux, unix_http=docker([], answer)) == []


def test_files_of_other_forms_cost_only_themselves(linux: Host) -> None:
    linux.plant(
        {
            f"{STORE}/image/overlay2/repositories.json": '{"Repositories": {"redis": {"redis:7"',
            f"{STORE}/containers/1/config.v2.json": '{"Config": [], "State": 5}',
            f"{STORE}/containers/2/config.v2.json": "[" * 5_000,
            f"{STORE}/containers/3/config.v2.json": CONFIG | {"Name": 5},
            f"{STORE}/containers/4/config.v2.json": b"\xff\xfe\x00",
        }
    )
    assert seen(linux) == [("ollama/ollama", "1", None, True)]


SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["Id", "RepoTags", "Image", "ImageID", "Names", "names", "Repositories", "Config", "State", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(SHAPES, SHAPES, st.text())
def test_no_answer_is_too_odd(one: object, other: object, text: str) -> None:
    found = [
        *docker_answers(one, other),
        *docker_files(one, [other, one]),
        *podman_images(one),
        *containerd_lists(text, "\n" + text, text),
    ]
    assert all(image.image for image in found)
    json.dumps(found)
