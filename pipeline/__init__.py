"""Retraining: its data, what sets it off, and which labels to ask for."""
