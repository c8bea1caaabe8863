"""From an image's bytes to its label: which version answers, and how."""
