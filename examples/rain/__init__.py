"""Rain: will it rain within six hours; the tutorial drafts the project from the file."""
