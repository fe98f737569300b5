"""What it takes to open a page of the console, after a year of history."""
