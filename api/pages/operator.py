"""What may an operator open? Every room of theirs."""

from typing import Final

from api.pages import (
    operator_checks,
    operator_feeds,
    operator_imports,
    operator_keys,
    operator_models,
    operator_nights,
    operator_privacy,
    operator_retracting,
)

ROUTERS: Final = tuple(
    room.router
    for room in (
        operator_nights,
        operator_models,
        operator_feeds,
        operator_checks,
        operator_retracting,
        operator_keys,
        operator_imports,
        operator_privacy,
    )
)
