"""What each feature adds to an answer."""
