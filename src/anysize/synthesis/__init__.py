"""From texts to speech: how they are read, joined sounds, and files of them."""
