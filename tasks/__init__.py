"""One step of the loop per file; what a step does is its file's name."""
