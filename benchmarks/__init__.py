"""Benchmarks against other libraries, run from a checkout: ``python -m benchmarks.eager``. Not part of the package."""
