"""Drafting: a look at a file, and the project file that it asks for."""
