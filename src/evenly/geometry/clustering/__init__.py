"""Trees and clusters of points."""
