"""Runtimes, one file each: arrays in, arrays out; they know neither task nor modality."""
