"""Downloads and small requests over links with names, ours beside other ways to carry them.

`python -m benchmarks.links` measures; with `--record` into `docs/benchmarks/`.

| module | what it is |
| --- | --- |
| `goals.txt`, `goals` | what ours must reach over each link, and whether it does |
| `contenders` | who is measured: tunnels, and the kernel's TCP without one |
| `traffic` | the programs at both ends: a source, and a client that downloads and asks |
| `progress` | goodput and start of a download, from what had arrived when |
| `measure` | one sample: a lab, a contender, the traffic, and the link's counts |
| `cases` | every link with a name, and two flows on one link |
| `tables` | figures of all links and contenders as tables, for the console and for pages |
| `page` | records into JSON, a page, drawings, and the tables of README and `results.md` |
"""
