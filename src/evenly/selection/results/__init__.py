"""The values that selections return, how they are saved, and where they come from."""
