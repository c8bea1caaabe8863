"""Training: images with labels in, a checked candidate for a version out."""
