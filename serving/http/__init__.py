"""From the bytes of a request to its fields, and from an answer to the bytes of a response."""
