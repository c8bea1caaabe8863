"""Who may ask: decided from the headers of a request, before its body is read."""
