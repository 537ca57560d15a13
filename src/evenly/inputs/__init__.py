"""The validation boundary: from whatever the user has to prepared data."""
