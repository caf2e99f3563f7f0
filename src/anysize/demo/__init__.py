"""The demo: the whole life of a model on data that is already on the machine."""
