"""Production in fast-forward: a model goes wrong, and comes right again, with nobody watching."""
