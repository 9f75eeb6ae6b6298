"""What is sold, and what was ordered."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Product(models.Model):
    """A product; the database refuses to sell what is not in stock."""

    name = models.CharField(max_length=100, unique=True)
    price = models.PositiveIntegerField(help_text="Cents.")
    stock = models.IntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(stock__gte=0), name="product_in_stock")]

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    """An order. `charged` and `receipt` are filled in by tasks."""

    product = models.ForeignKey(Product, models.PROTECT)
    quantity = models.PositiveIntegerField()
    charged = models.PositiveIntegerField(null=True, help_text="Cents.")
    receipt = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"order {self.pk}"
