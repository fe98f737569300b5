"""What is JUDGED: drift, performance, the gain of one model over another, and when to retrain."""
