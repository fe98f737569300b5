"""Projects that Keepfit is shown on: one folder each, with its project file and the source of its data."""
