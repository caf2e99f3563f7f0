"""Transcripts: how texts are compared, and how many errors one has."""
