"""Traces of sampled requests for an OpenTelemetry collector: spans made after the answer."""
