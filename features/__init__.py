"""The command line for extractors: ``python -m features``."""
