"""What was found, for a person, a program, a file or a webhook."""
