"""Steps that only DAGs use: plain functions."""

from __future__ import annotations

from orders.models import Order


def pack(order_id: int) -> str:
    """Pack an order; returns the parcel's label."""
    order = Order.objects.select_related("product").get(pk=order_id)
    return f"{order.quantity} x {order.product.name}"
