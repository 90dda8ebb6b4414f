"""Who sells these SKUs of one brand, together? Nobody too many of them, and nobody worse off than need be."""

from dataclasses import replace

import numpy as np
import pytest

from matcher.engine import Engine
from matcher.request import ListRequest
from matcher.sharing import share_shortlists
from trained import Trained


def asked(engine: Engine, n: int, size: int = 4) -> list[ListRequest]:
    """Shortlists of the first SKUs that may be shown."""
    rows = engine.owners(ListRequest("shortlist", 0, size))[:n]
    return [ListRequest("shortlist", row, size) for row in rows]


def test_one_sku_gets_its_own_shortlist(trained: Trained) -> None:
    (request,) = asked(trained.engine, 1)
    shared = share_shortlists(trained.engine, [request], 1)
    assert shared[request.owner].tolist() == trained.engine.choose(request).rows.tolist()


def test_where_everybody_may_carry_everything_the_lists_stay_as_they_are(trained: Trained) -> None:
    requests = asked(trained.engine, 5)
    shared = share_shortlists(trained.engine, requests, 5)
    for request in requests:
        assert shared[request.owner].tolist() == trained.engine.choose(request).rows.tolist()


@pytest.mark.parametrize("most", [1, 2, 3])
def test_nobody_carries_more_than_asked_and_every_list_is_full_as_long_as_anchors_are_left(
    trained: Trained, most: int
) -> None:
    requests = asked(trained.engine, 6, size=3)
    shared = share_shortlists(trained.engine, requests, most)
    load = np.bincount(np.concatenate(list(shared.values())))
    assert load.max() <= most
    n_anchors = len(trained.engine.world.snapshot.roster)
    if n_anchors * most >= 18:
        assert all(len(rows) == 3 for rows in shared.values())


def test_the_sku_that_would_fall_furthest_goes_first() -> None:
    first, second = ListRequest("shortlist", 0, 1), ListRequest("shortlist", 1, 1)
    deep = {0: np.array([7, 1, 2], np.int32), 1: np.array([7], np.int32)}

    class Stub:
        def choose(self, request: ListRequest) -> object:
            return type("Chosen", (), {"rows": deep[request.owner]})()

    shared = share_shortlists(Stub(), [first, second], 1)  # type: ignore[arg-type]
    assert (shared[0].tolist(), shared[1].tolist()) == ([1], [7])


def test_a_list_of_given_anchors_ranks_them_as_the_whole_list_does(trained: Trained) -> None:
    (request,) = asked(trained.engine, 1, size=6)
    whole = trained.engine.choose(request)
    some = whole.rows[[4, 1]]
    found = trained.engine.choose(replace(request, only=some))
    assert found.rows.tolist() == whole.rows[[1, 4]].tolist()
    assert found.scores.tolist() == whole.scores[[1, 4]].tolist()
