"""A backend of Label Studio: labels its tasks, and takes what people say of them."""
