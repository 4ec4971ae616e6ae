"""Fuzz targets, and how they are built and run."""
