"""Farthest-first: the driver, its picks, its checkpoint and its progress bar."""
