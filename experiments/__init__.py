"""Does it train better? The paper's claims, run for real beside rivals: `python -m experiments`."""
