"""Offline scoring: from millions of images to one Parquet file of predictions."""
