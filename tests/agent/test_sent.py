from __future__ import annotations

from pathlib import Path

from aimscope_agent.ledger.sent import SentLog


def shown(log: SentLog) -> list[tuple[int, str, bytes]]:
    return [(entry.at, entry.route, bytes(entry.body)) for entry in log.entries()]


def test_bodies_are_shown_byte_for_byte_and_to_their_owner_alone(tmp_path: Path) -> None:
    log = SentLog(tmp_path / "deep" / "sent.log")
    assert shown(log) == []
    log.add(1, "/v1/ingest", b'{"a": [1, 2.50, "\xc3\xa9"]}')
    log.add(2, "/v1/check-in", b'{"b":null}')
    again = SentLog(tmp_path / "deep" / "sent.log")
    assert shown(again) == [(1, "/v1/ingest", b'{"a": [1, 2.50, "\xc3\xa9"]}'), (2, "/v1/check-in", b'{"b":null}')]
    assert (tmp_path / "deep" / "sent.log").stat().st_mode & 0o777 == 0o600


def test_it_is_bounded_and_keeps_the_latest(tmp_path: Path) -> None:
    log = SentLog(tmp_path / "sent.log", largest=2_000)
    for number in range(500):
        log.add(number, "/v1/ingest", b'"%s"' % (b"x" * 50))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 5_000
    numbers = [at for at, _, _ in shown(log)]
    assert numbers == list(range(numbers[0], 500))


def test_a_line_that_was_torn_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "sent.log"
    SentLog(path).add(1, "/a", b"1")
    path.write_bytes(path.read_bytes() + b'{"at":2,"rou')
    SentLog(path).add(3, "/c", b"3")
    assert [at for at, _, _ in shown(SentLog(path))] == [1, 3]


def test_what_cannot_be_written_is_written_later(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.write_text("in the way")
    log = SentLog(folder / "sent.log")
    log.add(1, "/a", b"1")
    folder.unlink()
    log.add(2, "/b", b"2")
    assert [at for at, _, _ in shown(log)] == [1, 2]
