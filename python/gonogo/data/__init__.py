"""Labelled pictures of parts: read from folders, tables or arrays, split by part, and looked at."""

from gonogo.data.dataset import Dataset
from gonogo.data.plots import plot_split
from gonogo.data.split_file import load_split, save_split

__all__ = ["Dataset", "load_split", "plot_split", "save_split"]
