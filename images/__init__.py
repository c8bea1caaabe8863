"""From the bytes of an image file to the pixels and features that a classifier uses."""
