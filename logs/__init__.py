"""What a process logs: in which form, with which secrets left out, and to where."""
