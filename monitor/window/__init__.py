"""What is inspected: a version, and what was recorded of it in a stretch of time."""
