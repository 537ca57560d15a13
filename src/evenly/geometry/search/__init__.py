"""Searches among points: nearest chosen rows, close pairs, neighbours."""
