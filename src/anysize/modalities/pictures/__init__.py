"""Pictures: what the modality is made of."""
