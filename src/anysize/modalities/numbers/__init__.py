"""Numbers: what the modality is made of."""
