"""Spectra of recordings as streams of frames: log-mel and cepstra, by numpy alone."""
