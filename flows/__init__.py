"""The order of the steps, as Prefect flows: feedback, watch, retrain, rollback."""
