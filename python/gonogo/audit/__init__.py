"""What is wrong with a set of pictures before any model is trained on it."""

from gonogo.audit.report import AuditReport
from gonogo.audit.run import audit

__all__ = ["AuditReport", "audit"]
