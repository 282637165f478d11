"""Measurements beside the originals, in one run on one machine.

`python -m benchmarks` measures every case, the sides taking turns, and writes `docs/benchmarks/`.

| module | what it is |
| --- | --- |
| `cases` | what is measured: the list, built from the product's own tables |
| `bulk`, `requests`, `memory`, `proxy`, `scale`, `startup` | one kind of measurement each |
| `setups` | each side's programs, started |
| `flow`, `flows` | the source and sink of bulk data: the program, and how it is run and read |
| `sessions` | thousands of KCP sessions in one process |
| `web` | nginx and wrk |
| `meter` | CPU time, memory and descriptors of a process |
| `runner` | alternation |
| `model` | cases, figures, targets, records |
| `goals` | `python -m benchmarks.goals`: every goal of reliability and security |
| `links` | `python -m benchmarks.links`: downloads and requests over lossy links |
| `quic/` | a small QUIC tunnel in Rust, measured there beside ours |
| `records` | records and their runs in a JSON file |
| `report`, `drawings`, `plots` | records into a page and drawings |
| `summaries` | parts of pages that other measurements write |
"""
