"""Suffixes of files that are one recording."""

from __future__ import annotations

LIBSNDFILE = frozenset({
    ".wav", ".wave", ".rf64", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff",
    ".aifc", ".au", ".snd", ".caf", ".voc", ".sph",
})  # fmt: skip
"""Of formats that libsndfile decodes."""

FFMPEG = frozenset({
    ".m4a", ".m4b", ".aac", ".wma", ".webm", ".mka", ".amr", ".3gp", ".mp2", ".ac3", ".ape", ".wv",
    ".tta", ".mp4", ".mov", ".mkv", ".avi",
})  # fmt: skip
"""Of formats that ``ffmpeg`` decodes, where it is installed; of films the sound is read."""

AUDIO_SUFFIXES = LIBSNDFILE | FFMPEG
