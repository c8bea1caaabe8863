"""What production sees, against what a version was validated on."""
