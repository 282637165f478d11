"""The 45 scenarios of the original blinksocks' own end-to-end suite, in every pairing.

| module | what it offers |
| --- | --- |
| `table` | the scenarios as data, and what the originals on npm cannot do |
| `cell` | one scenario between one client and one server |
| `mock` | the target that answers everything alike |
| `page` | the table of a run |
| `__main__` | tries all and writes docs/interop/scenarios.md |
"""
