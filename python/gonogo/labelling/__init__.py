"""Looking at pictures and correcting their labels: what is known of each, and the page that asks."""

from gonogo.labelling.page import page_routes
from gonogo.labelling.session import Session

__all__ = ["Session", "page_routes"]
