"""What the pages are made from: the store, what watches left, Prefect, a process that explains."""
