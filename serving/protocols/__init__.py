"""One small module per wire contract; the same predictor, capture and ids behind all of them."""
