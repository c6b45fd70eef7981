"""`manage.py runjobs`: a node of this site, until Ctrl-C or SIGTERM."""

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

import systemprompt
from shop import jobs
from systemprompt import NodeEvent


class Command(BaseCommand):
    help = "Runs the site's jobs until Ctrl-C or SIGTERM"

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        # A supervisor's SIGTERM shall mean what Ctrl-C means: leave the block below, which drains.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with systemprompt.node(settings.JOBS_PROFILE, jobs=[jobs], on_event=self.tell) as node:
            try:
                node.wait()
            except KeyboardInterrupt:
                self.stdout.write("stopping")

    def tell(self, event: NodeEvent) -> None:
        if event.kind in ("serving", "run_finished"):
            self.stdout.write(f"{event.kind}: {getattr(event, 'message', None) or getattr(event, 'node_id', '')}")
            self.stdout.flush()
