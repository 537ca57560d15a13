"""Compare speed, memory and exactness of `evenly` and its peers: `python -m benchmarks.run`."""
