"""Figures of the package's own speed, printed and judged by people; nothing here asserts."""
