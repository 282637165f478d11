"""Measurements beside the originals, in one run on one machine.

`python -m benchmarks` measures, prints a table and writes `docs/benchmarks/results.md`.
"""
