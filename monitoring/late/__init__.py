"""Labels that are late: how long they take, what they will say, and what may be learned from meanwhile."""
