"""The command line for keys: ``python -m keys``."""
