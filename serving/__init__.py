"""What answers: an HTTP server that follows the release directory, and knows nothing else."""
