"""Flights by LightGBM with its own categories: a project that brings its own ONNX."""
