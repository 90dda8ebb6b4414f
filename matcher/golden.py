"""Does this machine score as the one that trained? A made-up batch, and the digest of what the forests said of it.

The digest travels with the model. Whoever is about to serve a model has another process load it and score the batch
first: LightGBM dies of bytes that it does not like, and then only that process is gone.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from features.errors import RegistryDamaged
from features.kernels import F32
from matcher.model import Model
from matcher.ranker import Ranker

FILE: Final = "golden.json"
_SEED: Final = 20_261_111
_N_ROWS: Final = 256
_N_EXPLAINED: Final = 8  # explaining a row walks every branch of every tree, and takes milliseconds


def golden_file(model: Model) -> dict[str, bytes]:
    """The file that goes with a model's own."""
    return {FILE: json.dumps({"sha256": _digest(model)}).encode()}


def check_golden(model: Model, files: Mapping[str, bytes]) -> None:
    """RegistryDamaged where the model scores the batch otherwise than where it was trained, cannot explain it, or brings none."""
    if FILE not in files:
        raise RegistryDamaged(
            f"model {model.version} brings no golden batch; the next night publishes one that does"
        )
    if json.loads(files[FILE])["sha256"] != _digest(model):
        raise RegistryDamaged(
            f"model {model.version} scores otherwise here than where it was trained; train it with this build"
        )
    for ranker in _rankers(model):
        batch = _batch(len(ranker.feature_names))[:_N_EXPLAINED]
        # Not our own loops but LightGBM's, over parts of the forest that no score asks for.
        if not np.allclose(
            ranker.contributions(batch).sum(axis=1), ranker.score(batch), rtol=1e-6, atol=1e-6
        ):
            raise RegistryDamaged(
                f"model {model.version} explains other scores than it gives; the next night publishes one that does not"
            )


def _digest(model: Model) -> str:
    said = hashlib.sha256()
    for ranker in _rankers(model):
        said.update(ranker.score(_batch(len(ranker.feature_names))).tobytes())
    return said.hexdigest()


def _rankers(model: Model) -> Iterator[Ranker]:
    for ranker in (model.goods_uptake, model.shortlist_uptake, model.goods_value, model.outcome.forest):
        if ranker is not None:
            yield ranker


def _batch(n_features: int) -> F32:
    """(_N_ROWS, n_features): every order of magnitude that features have, both signs, and gaps."""
    rng = np.random.default_rng(_SEED)
    batch = rng.normal(size=(_N_ROWS, n_features)) * 10.0 ** rng.uniform(-3, 5, (_N_ROWS, n_features))
    batch[rng.random(batch.shape) < 0.1] = np.nan
    return batch.astype(np.float32)
