"""Keeps a sample of the predictions and counts all requests, off the hot path."""
