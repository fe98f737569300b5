"""Replay: a labelled file driven through the running service and the flows, in event time."""
