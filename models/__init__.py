"""Specifications (*.toml) and cards (*.md) of the models that come with gonogo."""
