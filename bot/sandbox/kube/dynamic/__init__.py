"""Admission that people configure: policies in CEL and webhooks, asked about the writes of clients and controllers."""

from bot.sandbox.kube.dynamic.admission import DynamicAdmission
from bot.sandbox.kube.dynamic.review import Operation, Review

__all__ = ["DynamicAdmission", "Operation", "Review"]
