"""The goals of reliability and security, measured: `make goals` writes docs/benchmarks/goals.md."""
