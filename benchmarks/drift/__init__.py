"""The protocol of a drift verdict and of an estimate, measured beside other tools."""
