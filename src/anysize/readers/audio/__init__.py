"""Recordings as streams of samples: decoding, mixing to one channel, resampling."""
