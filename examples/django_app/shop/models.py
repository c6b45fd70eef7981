"""What the shop keeps."""

from django.db import models


class Cart(models.Model):
    """A cart; nobody has come back to one that was expired."""

    touched_at = models.DateTimeField()
    expired = models.BooleanField(default=False)
