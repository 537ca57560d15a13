"""Damaged files of every kind that evenly reads: each is read right, or refused by one error.

`python -m fuzz --hours 1` looks for faults; tests/test_fuzz.py tries a few of the same files.
"""
