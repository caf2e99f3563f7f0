"""Lazy fields: text as a stream, pictures by region. Each reader is imported where it is used."""
