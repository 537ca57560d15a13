"""Does it train better? The paper's claims and their rivals, run for real: `python -m experiments`."""
