"""What is kept and counted of the predictions, beside the hot path."""
