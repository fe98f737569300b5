"""The servers that Keepfit is measured beside: how each is told to serve the same pipeline.

`fastapi_pandas.py`, `mlflow_models.py`, `bentoml_service.py`, `litserve_api.py` and `mlserver_runtime.py`
run in an environment of their own as `python FILE FOLDER PORT [--batch]`, import nothing of Keepfit, and
serve FOLDER/pipeline.joblib.
"""
