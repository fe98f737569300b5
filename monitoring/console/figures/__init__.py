"""Charts as geometry, which templates draw: each stands beside the same numbers as a table."""
