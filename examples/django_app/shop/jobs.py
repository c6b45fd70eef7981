"""The shop's jobs. They run in threads of the node, and Django gives each thread a connection of its own."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps

from django.db import close_old_connections
from django.utils import timezone

from shop.models import Cart
from systemprompt import JobContext, JobResult, job


def with_fresh_connections(function: Callable[[JobContext], JobResult]) -> Callable[[JobContext], JobResult]:
    """Do for a job what Django does for a request: drop connections that are broken or too old, before and after."""

    @wraps(function)
    def wrapped(ctx: JobContext) -> JobResult:
        close_old_connections()
        try:
            return function(ctx)
        finally:
            close_old_connections()

    return wrapped


@job(schedule="*/2 * * * * *", parameters={"after": "2h"}, on_lost="rerun")
@with_fresh_connections
def expire_carts(ctx: JobContext) -> JobResult:
    """Expires the carts that nobody has touched for a while."""
    before = (ctx.fire_at or timezone.now()) - ctx.get_parameter("after", timedelta)
    expired = Cart.objects.filter(touched_at__lt=before, expired=False).update(expired=True)
    return JobResult.success().with_message(f"{expired} carts expired").with_stats(expired, 0)
