"""Offline scoring: millions of images in, one Parquet file of predictions out."""
