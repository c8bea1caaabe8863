"""The pages of the server: try, label, watch, decide, in a browser. Imported by the first visit."""
