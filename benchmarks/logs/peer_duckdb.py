"""The host column of a JSON log against the domains by suffix, in DuckDB with one thread."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

log, folder = sys.argv[1:3]
database = duckdb.connect(config={"threads": 1})
database.execute("create table domain (name varchar)")
names = [[name] for name in (Path(folder) / "domains.txt").read_text().split()]
database.executemany("insert into domain values (?)", names)
query = """
    with host as (select host, count(*) as times from read_json(?, columns={host: 'varchar'}) group by host),
    tail as (
        select host, times,
            unnest(list_transform(range(1, len(parts) + 1), lambda i: array_to_string(parts[i:], '.'))) as name
        from (select host, times, string_split(host, '.') as parts from host)
    )
    select coalesce(sum(times), 0) from (select distinct host, times from tail semi join domain using (name))
"""
row = database.execute(query, [log]).fetchone()
print(row[0] if row else 0)
