"""Flights by a PyTorch net: a project that brings its own ONNX."""
