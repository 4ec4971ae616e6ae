"""Files of every kind that the package reads, written here byte by byte when a test runs."""
