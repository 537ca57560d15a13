"""The same selection on a cluster of machines, by Ray.

A worker on each machine holds a range of rows as an ordinary engine; the driver merges their
frontiers. The driver knows workers only by `Transport`, so everything but `rays.py` runs, and is
tested, without Ray.
"""
