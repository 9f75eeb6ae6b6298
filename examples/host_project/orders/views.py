"""Placing an order starts a run, in the order's own transaction."""

from __future__ import annotations

from django import forms
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_http_methods
from workflows.engine.launch import launch
from workflows.models import DagRun

from orders.models import Order, Product


class OrderForm(forms.ModelForm):
    """What a customer sends."""

    class Meta:
        model = Order
        fields = ("product", "quantity")


@ensure_csrf_cookie
@require_http_methods(["GET", "POST"])
def orders(request: HttpRequest) -> JsonResponse:
    """GET: what is for sale. POST: place an order."""
    if request.method == "GET":
        return JsonResponse({"products": list(Product.objects.values("id", "name", "price", "stock"))})
    form = OrderForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    try:
        placed = place(form)
    except IntegrityError:
        return JsonResponse({"errors": "not enough in stock"}, status=409)
    return JsonResponse({"order": placed.pk}, status=201)


def place(form: OrderForm) -> Order:
    """The order, its run and the stock, or none of them."""
    with transaction.atomic():
        placed = form.save()
        launch(
            "fulfil_order",
            params={"order": placed.pk},
            external_id=f"order-{placed.pk}",
            trigger="code",
            on_commit=True,
        )
        # The constraint refuses less than nothing; with the transaction goes the run.
        Product.objects.filter(pk=placed.product_id).update(stock=F("stock") - placed.quantity)
    return placed


@require_GET
def order(request: HttpRequest, order_id: int) -> JsonResponse:
    """One order, and how far its run is."""
    found = get_object_or_404(Order, pk=order_id)
    run = DagRun.objects.get(dag__dag_id="fulfil_order", external_id=f"order-{found.pk}")
    return JsonResponse({"charged": found.charged, "receipt": found.receipt, "run": run.state})
