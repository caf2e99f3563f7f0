"""Recordings: what the modality is made of."""
