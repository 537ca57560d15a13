"""Products of reduced precision that rule pairs out; float64 decides what is left."""
