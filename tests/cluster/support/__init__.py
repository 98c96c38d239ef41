"""What the scenarios are written with."""
