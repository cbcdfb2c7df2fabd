"""Two synthetic logs, from a seed, and the domains that make a catalogue of 5,000.

Ten of 1,000 lines name a service of the catalogue, four look as if: the domain is part of a longer name, or stands
in a referrer. Names repeat as they do in life: few are common, most are rare. There are 2,000 clients, each of which
uses up to four services.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

NAMES = 40_000
CLIENTS = 2_000
BATCH = 4_096


def domains(own: int, chooser: random.Random) -> list[str]:
    """Domains of services that nobody else has."""
    ends = ("ai", "com", "io", "dev", "co.uk")
    return [f"{chooser.choice(('neo', 'meta', 'deep', 'gen'))}{n:04x}-lab.{chooser.choice(ends)}" for n in range(own)]


def services(folder: Path, names: list[str]) -> None:
    """Signature files with ten domains each."""
    folder = folder / "assistant"
    folder.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, len(names), 10)):
        some = names[start : start + 10]
        (folder / f"bench-{number}.yaml").write_text(
            json.dumps(
                {
                    "id": f"bench-{number}",
                    "name": f"Bench Service {number}",
                    "vendor": f"Bench {number}",
                    "category": "assistant",
                    "surface": ["web"],
                    "homepage": f"https://{some[0]}",
                    "summary": "A service that exists for measuring.",
                    "maturity": "sandbox",
                    "domains": some,
                }
            )
        )


class Population:
    """Host names as people ask for them; knows which of them are a service's."""

    def __init__(self, known: list[str], chooser: random.Random) -> None:
        self.chooser = chooser
        self.known = known
        ends = ("com", "net", "org", "example", "io", "de")
        self.others = [
            f"{chooser.choice(('www', 'api', 'cdn', 'img', 'static'))}.site{n}.{chooser.choice(ends)}"
            for n in range(NAMES)
        ]
        self.cumulative = list(accumulate(1 / (rank + 8) for rank in range(NAMES)))

    def batch(self) -> list[tuple[str, str, int, bool]]:
        """``(host, referrer, client, is a service's)``"""
        chooser = self.chooser
        hosts = chooser.choices(self.others, cum_weights=self.cumulative, k=BATCH)
        found = []
        for host in hosts:
            client = chooser.randrange(CLIENTS)
            dice = chooser.random()
            if dice < 0.01:
                domain = self.known[(client * 7 + chooser.randrange(4)) % len(self.known)]
                found.append((chooser.choice((domain, f"api.{domain}")), "-", client, True))
            elif dice < 0.012:
                found.append((f"not{chooser.choice(self.known)}.cdn.example", "-", client, False))
            elif dice < 0.014:
                found.append((host, f"https://{chooser.choice(self.known)}/", client, False))
            else:
                found.append((host, "-", client, False))
        return found


def zeek(population: Population) -> Iterator[tuple[list[str], int]]:
    """JSON lines of Zeek's http.log: about 480 bytes each."""
    chooser = population.chooser
    at = 1_700_000_000.0
    while True:
        lines, hits = [], 0
        for host, referrer, client, known in population.batch():
            at += 0.001
            hits += known
            who = f"{client // 250}.{client % 250}"
            a, b, c = chooser.randrange(1, 250), chooser.randrange(1, 250), chooser.randrange(1_024, 65_000)
            lines.append(
                f'{{"_path":"http","ts":{at:.6f},"uid":"C{c:05d}{a:03d}{b:03d}abcXYZ","id.orig_h":"10.0.{who}",'
                f'"id.orig_p":{c},"id.resp_h":"198.51.{a}.{b}","id.resp_p":80,"trans_depth":1,"method":"GET",'
                f'"host":"{host}","uri":"/assets/{c}/{a}/app.{b}.js?v={c}","referrer":"{referrer}","version":"1.1",'
                f'"user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0",'
                f'"request_body_len":0,"response_body_len":{c * 3},"status_code":200,"status_msg":"OK","tags":[]}}\n'
            )
        yield lines, hits


def squid(population: Population) -> Iterator[tuple[list[str], int]]:
    """Squid's native access log: about 170 bytes a line."""
    chooser = population.chooser
    at = 1_700_000_000.0
    while True:
        lines, hits = [], 0
        for host, _, client, known in population.batch():
            at += 0.001
            hits += known
            who = f"{client // 250}.{client % 250}"
            a, b, c = chooser.randrange(1, 250), chooser.randrange(1, 250), chooser.randrange(1_024, 65_000)
            if c % 2:
                what = f"TCP_TUNNEL/200 {c} CONNECT {host}:443"
            else:
                what = f"TCP_MISS/200 {c} GET http://{host}/assets/{c}/{a}/application.{b}.js?version={c}"
            lines.append(f"{at:14.3f} {c % 900:6d} 10.0.{who} {what} u{client} HIER_DIRECT/198.51.{a}.{b} text/html\n")
        yield lines, hits


KINDS: dict[str, Callable[[Population], Iterator[tuple[list[str], int]]]] = {"zeek": zeek, "squid": squid}


def build(path: Path, kind: str, size: int, known: list[str], seed: int) -> dict[str, int]:
    """Write about ``size`` bytes; says how many lines there are and how many of them name a service."""
    written = lines = hits = 0
    source = KINDS[kind](Population(known, random.Random(seed)))
    with path.open("wb", buffering=1 << 20) as file:
        while written < size:
            some, known_in_them = next(source)
            text = "".join(some).encode()
            file.write(text)
            written += len(text)
            lines += len(some)
            hits += known_in_them
    return {"bytes": written, "lines": lines, "hits": hits}


if __name__ == "__main__":
    style, target, megabytes, own = sys.argv[1:5]
    names = domains(4_000, random.Random(2042))
    services(Path(own), names)
    print(build(Path(target), style, int(float(megabytes) * 1e6), names, 2042))
