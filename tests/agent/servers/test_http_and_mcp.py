"""Reading answers: when one is whole, what it says, what it may not make us do."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.host.facts import Answer
from aimscope_agent.servers import details, http, mcp
from aimscope_agent.servers.http import Incoming

HERE = frozenset({"10.0.0.5", "ai.corp.example"})
HEAD = b"HTTP/1.1 200 OK\r\n"


def fed(*pieces: bytes) -> list[bool]:
    incoming = Incoming(1_000)
    return [incoming.feed(piece) for piece in pieces]


class TestIncoming:
    def test_a_length_is_waited_for(self) -> None:
        assert fed(HEAD, b"Content-Length: 4\r\n\r\nab", b"cd") == [False, False, True]

    def test_no_length_is_waited_for_until_the_peer_closes(self) -> None:
        assert fed(HEAD + b"\r\n", b"a" * 500) == [False, False]

    def test_chunks_end_with_an_empty_one(self) -> None:
        assert fed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", b"0\r\n\r\n") == [False, False, True]

    def test_a_stream_of_events_ends_with_its_first(self) -> None:
        assert fed(HEAD + b"Content-Type: text/event-stream\r\n\r\n", b"data: x\r\n", b"\r\n") == [False, False, True]

    def test_too_much_is_enough(self) -> None:
        assert fed(HEAD + b"Content-Length: 99999999\r\n\r\n", b"a" * 1_000) == [False, True]
        assert fed(HEAD + b"X: " + b"a" * 40_000) == [True]

    def test_what_is_no_http_is_not_waited_for(self) -> None:
        assert fed(b"HT", b"TX") == [False, True]
        assert fed(b"SSH-2.0-x") == [True]

    @given(st.lists(st.binary(max_size=200), max_size=20))
    def test_any_bytes_are_bounded(self, pieces: list[bytes]) -> None:
        incoming = Incoming(100)
        for piece in pieces:
            if incoming.feed(piece):
                break
        assert len(incoming.data) <= http.MOST_HEADER + 4_000


class TestRequests:
    def test_a_request_is_whole_and_names_us(self) -> None:
        text = http.request("GET", "/v1/models", "10.0.0.5:8000").decode()
        assert text.startswith("GET /v1/models HTTP/1.1\r\nHost: 10.0.0.5:8000\r\n")
        assert "User-Agent: aimscope/" in text
        assert text.endswith("\r\n\r\n")

    @pytest.mark.parametrize("path", ["/a b", "/a\r\nX: y", "models", "/ä", "/" + "a" * 2_000])
    def test_a_path_stays_within_its_line(self, path: str) -> None:
        with pytest.raises(ValueError, match="no request"):
            http.request("GET", path, "10.0.0.5")

    def test_a_header_stays_within_its_line(self) -> None:
        with pytest.raises(ValueError, match="no request"):
            http.request("GET", "/", "10.0.0.5", headers={"Mcp-Session-Id": "a\r\nX: y"})


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/ui/", "/ui/"),
        ("ui", "/ui"),
        ("./ui", "/ui"),
        ("http://10.0.0.5:8000/login?next=/", "/login"),
        ("//ai.corp.example:8000/login", "/login"),
        ("http://elsewhere.example/ui/", ""),
        ("//elsewhere.example/ui/", ""),
        ("http://10.0.0.5:9000/ui/", ""),
        ("https://10.0.0.5:8000/ui/", ""),
        ("http://10.0.0.5:99999/", ""),
        ("http://[::1/", ""),
        ("/a\x00b", ""),
        ("", ""),
    ],
)
def test_only_the_same_server_may_send_us_on(location: str, path: str) -> None:
    answer = Answer(302, {"location": location})
    assert http.redirected(answer, HERE, 8_000, tls=False) == path


@given(st.text(max_size=60))
def test_any_location_is_a_plain_path_or_nothing(location: str) -> None:
    found = http.redirected(Answer(302, {"location": location}), HERE, 8_000, tls=False)
    assert not found or http.request("GET", found, "10.0.0.5")


class TestMcp:
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_an_answer_as_an_event(self, end: str) -> None:
        said = '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","serverInfo":{"name":"a"}}}'
        body = f": ping{end}{end}event: message{end}id: 1{end}data: {said}{end}{end}"
        shake = mcp.read(Answer(200, {"content-type": "text/event-stream"}, body))
        assert shake is not None
        assert shake.name == "a"

    def test_a_torn_event_is_none(self) -> None:
        said = 'data: {"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"1","serverInfo":{"name":"a"}}}'
        assert mcp.read(Answer(200, {}, said)) is None

    def test_names_are_one_bounded_line(self) -> None:
        shake = mcp.message(
            '{"jsonrpc":"2.0","result":{"protocolVersion":"2025-06-18","serverInfo":{"name":"a\\n\\u001b[31mb%s"}}}'
            % ("c" * 5_000)
        )
        assert shake is not None
        assert shake.name.isprintable()
        assert len(shake.name) <= 256

    @pytest.mark.parametrize(
        ("data", "path"),
        [
            ("/messages?session_id=1", "/messages?session_id=1"),
            ("messages/", "/messages/"),
            ("http://10.0.0.5:8000/m", "/m"),
            ("http://10.0.0.6:8000/m", ""),
            ("http://10.0.0.5:22/m", ""),
            ("//evil.example/m", ""),
            ("/a b", ""),
        ],
    )
    def test_messages_go_to_the_same_server_only(self, data: str, path: str) -> None:
        assert mcp.endpoint(f"event: endpoint\ndata: {data}\n\n", HERE, 8_000) == path

    @given(st.text(max_size=300))
    def test_any_text_is_no_trouble(self, text: str) -> None:
        mcp.message(text)
        mcp.read(Answer(200, {}, text))
        mcp.endpoint(text, HERE, 80)
        list(mcp.events(text))


class TestDetails:
    @pytest.mark.parametrize(
        ("path", "body", "version"),
        [
            ("/version", '{"version":"0.11.2"}', "0.11.2"),
            ("/api/v2/version", '"1.0.0"', "1.0.0"),
            ("/system_stats", '{"system":{"comfyui_version":"0.3.64","python_version":"3.12"}}', "0.3.64"),
            ("/version", "3.17.2\n", "3.17.2"),
            ("/version", "<p>3.17.2</p>", ""),
            ("/", "3.17.2", ""),
            ("/", '{"message":"hello"}', ""),
            ("/", '{"version":"<script>"}', ""),
            ("/", '{"version":12}', ""),
            ("/openapi.json", '{"info":{"version":"0.1.0"}}', ""),
            ("/openapi.json", '{"openapi":"3.1.0","info":{"title":"x","version":"1.2.3"},"paths":{"/cut', "1.2.3"),
            ("/openapi.json", '{"openapi":"3.1.0","paths":{}}', ""),
            ("/", "version 1", ""),
        ],
    )
    def test_versions(self, path: str, body: str, version: str) -> None:
        assert details.version([(path, Answer(200, {}, body))]) == version

    @pytest.mark.parametrize(
        ("path", "body", "models"),
        [
            ("/v1/models", '{"object":"list","data":[{"id":"a"},{"id":"b"},{"id":"a"}]}', ("a", "b")),
            ("/api/tags", '{"models":[{"name":"llama3.2:3b"}]}', ("llama3.2:3b",)),
            ("/info", '{"model_id":"BAAI/bge-m3","max_batch_tokens":1}', ("BAAI/bge-m3",)),
            ("/v1/internal/model/info", '{"model_name":"None","lora_names":[]}', ()),
            ("/models", '{"models":[{"modelName":"bert","modelUrl":"bert.mar"}]}', ("bert",)),
            ("/health", '{"models":[{"name":"x"}]}', ()),
            ("/v1/models", '{"data":{"id":"a"}}', ()),
        ],
    )
    def test_models(self, path: str, body: str, models: tuple[str, ...]) -> None:
        assert details.models([(path, Answer(200, {}, body))]) == models

    def test_models_are_bounded(self) -> None:
        body = json.dumps({"data": [{"id": f"m{number}" + "x" * 500} for number in range(1_000)]})
        found = details.models([("/v1/models", Answer(200, {}, body))])
        assert len(found) == details.MOST_MODELS
        assert all(len(name) <= 200 for name in found)

    @given(
        st.sampled_from(["/", "/v1/models", "/api/version", "/openapi.json", "/info"]),
        st.sampled_from(["", '{"data":[{"id":', '{"version":', '{"info":{"version":', '"', "["]),
        st.text(max_size=60),
    )
    def test_any_text_is_no_trouble(self, path: str, start: str, text: str) -> None:
        answers = [(path, Answer(200, {}, start + text))]
        assert len(details.version(answers)) <= 65
        assert all(name.isprintable() and len(name) <= 200 for name in details.models(answers))

    def test_what_wants_credentials_says_nothing(self) -> None:
        assert details.models([("/v1/models", Answer(401, {}, '{"data":[{"id":"a"}]}'))]) == ()
