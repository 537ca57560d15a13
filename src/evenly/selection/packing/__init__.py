"""Packings: rows that are all at least a given distance apart."""
