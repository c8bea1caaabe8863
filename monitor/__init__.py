"""Compares what production sends with what a version was validated on."""
