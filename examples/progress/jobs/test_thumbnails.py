"""Tests of the job, in which none of its waiting takes time."""

from thumbnails import make_thumbnails

from systemprompt import testing


def test_it_makes_a_thumbnail_of_every_picture_but_the_broken_one():
    with testing.node(jobs=[make_thumbnails]) as node:
        (run,) = node.advance("1d")

    assert run.message == "39 thumbnails"
    assert (run.items_processed, run.items_failed) == (40, 1)


def test_after_a_minute_it_is_stopped():
    with testing.node(jobs=[make_thumbnails]) as node:
        run = node.run("make_thumbnails", {"pictures": 10_000})

    assert (run.status, run.reason) == ("failed", "timeout")
