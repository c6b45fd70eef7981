"""A FastAPI app that runs its own jobs. Several workers may: each fire time is run by one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request

import systemprompt
from systemprompt import AsyncServingNode, JobContext, Run, job
from systemprompt.errors import ConflictError, JobNotFound

PROFILE = Path(__file__).with_name("profile.yaml")


@job(schedule="*/2 * * * * *", parameters={"limit": 100})
async def send_mail(ctx: JobContext) -> str:
    """Sends what waits in the outbox. It runs in the node's event loop: a slow job never holds up a request."""
    limit = ctx.get_parameter("limit", int)
    return f"sent 0 of at most {limit} mails"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with systemprompt.node(PROFILE, jobs=[send_mail]) as node:
        app.state.node = node
        yield


app = FastAPI(lifespan=lifespan)


def node_of(request: Request) -> AsyncServingNode:
    node: AsyncServingNode = request.app.state.node
    return node


@app.get("/jobs/{name}/runs")
async def last_runs(request: Request, name: str, limit: int = 20) -> list[Run]:
    try:
        return await node_of(request).history(name, limit=limit)
    except JobNotFound as error:
        raise HTTPException(404, error.message) from error


@app.post("/jobs/{name}/runs", status_code=201)
async def run(request: Request, name: str, parameters: dict[str, str] | None = None) -> Run:
    try:
        return await node_of(request).run(name, parameters)
    except JobNotFound as error:
        raise HTTPException(404, error.message) from error
    except ConflictError as error:
        raise HTTPException(409, error.message) from error
