"""The shop's addresses."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from orders import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("orders", views.orders, name="orders"),
    path("orders/<int:order_id>", views.order, name="order"),
]
