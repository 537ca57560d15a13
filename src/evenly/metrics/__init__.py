"""A selection and its vectors in, numbers that say how good it is out."""

from evenly.metrics.measure import Measures, measure

__all__ = ["Measures", "measure"]
