"""Farthest-first over a stream: the cover that is kept, and how it is saved."""
