"""The page that people look at: it keeps nothing, and reads what the others left."""
