"""Searches among points: nearest chosen rows, close pairs, nearest neighbours."""
