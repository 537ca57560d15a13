"""Rows that are all at least a distance apart."""
