"""Speech recognition: what each kind of network makes of windows, and what they share."""
