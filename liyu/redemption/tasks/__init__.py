"""Background work of the domain: each task is idempotent and harmless when it runs twice."""

from liyu.redemption.tasks import campaigns, catalog, members, orders, points, upkeep, vouchers
from liyu.redemption.tasks.worker import WorkerServices, tasks

__all__ = ["WorkerServices", "campaigns", "catalog", "members", "orders", "points", "tasks", "upkeep", "vouchers"]
