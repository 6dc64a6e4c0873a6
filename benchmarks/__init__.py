"""What every speed and memory claim of the README is measured with: `python -m benchmarks`."""
