"""Versions of models: their files, manifest and runtime, the store, and how they are made."""
