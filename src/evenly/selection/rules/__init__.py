"""The rules of a selection: resolved, checked, and applied while rows are picked."""
