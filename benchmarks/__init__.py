"""Measurements against peers, each script one row or two of docs/benchmarks.md."""
