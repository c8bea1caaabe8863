"""What happened: predictions, labels, traffic and reports, in one SQL schema."""
