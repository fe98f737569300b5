"""What is measured, one file per claim: `python -m benchmarks`."""
