"""The Open Inference Protocol: what its clients send, and how they are answered."""
