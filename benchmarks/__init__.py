"""How fast, how large, how exact: `evenly` beside what others use. `python -m benchmarks.run`."""
