"""What would this pairing bring in the anchor's next live session? Units, GMV, commission, with an 80 % interval.

If the SKU is put up: a forest corrects what the SKU usually sells to this anchor's usual crowd (LightGBM's Poisson
objective: units a listing, in proportion to a starting value), and a calibration learned on a later window than the
forest turns that into units that can be believed, and into the range in which four outcomes of five lie. Money is
units x what a unit of the SKU brings. GMV is before refunds; commission is the rate of that GMV, rounded down, as
if nothing were returned.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Self

import numpy as np

from features.kernels import F32, F64, I64, Bools
from features.ledger import PRIOR_LISTINGS, shrunk_ratio
from features.matrix import NO_RATE
from features.snapshot import Snapshot
from features.units import WHOLE
from matcher.ranker import Ranker

NAME: Final = "outcome"
NO_COMMISSION: Final = -1
_MOST_FEN: Final = 9_000_000_000_000
"""Ninety thousand million yuan: above it, times a rate in ppm, 64 bits would not do."""
_LOG_RANGE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Expected:
    """What n pairings would bring, arrays of shape (n,); low <= expected <= high."""

    units: F64
    units_low: F64
    units_high: F64
    gmv_fen: I64
    gmv_low_fen: I64
    gmv_high_fen: I64
    commission_fen: I64
    """NO_COMMISSION where no rate applies; so with the two below."""
    commission_low_fen: I64
    commission_high_fen: I64

    def each(self) -> "list[ExpectedOne]":
        """One for each pairing."""
        columns = (getattr(self, name).tolist() for name in ExpectedOne._fields)
        return list(map(ExpectedOne._make, zip(*columns, strict=True)))


class ExpectedOne(NamedTuple):
    """What one pairing would bring, in plain numbers; fields as those of `Expected`."""

    units: float
    units_low: float
    units_high: float
    gmv_fen: int
    gmv_low_fen: int
    gmv_high_fen: int
    commission_fen: int
    commission_low_fen: int
    commission_high_fen: int

    def line(self) -> dict[str, float | int | None]:
        """As a reader gets it, by the same names: units to four places, None where there is no commission."""
        units = [round(amount, 4) for amount in self[:3]]
        paid = [None if fen == NO_COMMISSION else fen for fen in self[6:]]
        return dict(zip(self._fields, (*units, *self[3:6], *paid), strict=True))


@dataclass(frozen=True, slots=True)
class Curve:
    """A rising line through knots: straight between them, level before the first, in proportion after the last."""

    at: F64
    value: F64

    def __call__(self, x: F64) -> F64:
        """The line at `x` >= 0, (n,)."""
        inside = np.interp(x, self.at, self.value)
        return np.where(x > self.at[-1], self.value[-1] * (x / self.at[-1]), inside)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the forest's units mean in units sold: their mean, and the 10 % and 90 % points of what came."""

    mean: Curve
    low: Curve
    high: Curve
    n_rows: int
    """Listings it was learned from; 0: there were too few, and the curves are a Poisson's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Read-only; threads may share one."""

    forest: Ranker
    """Its score is the log of units to the starting value."""
    usual_units: float
    """Units a listing, all in all: the starting value where nothing is known of the pair."""
    calibration: Calibration
    report: Mapping[str, Any]
    """How well it was calibrated on a window that neither fitted nor calibrated; empty where there was none."""

    def expect(self, matrix: F32, unit_gmv_fen: F64, rate_ppm: I64) -> Expected:
        """Of pairings given as rows of the matrix, what a unit brings (n,), and the rate (n,) or NO_RATE."""
        raw = self.raw_units(matrix)
        units = self.calibration.mean(raw)
        low, high = (
            np.minimum(self.calibration.low(raw), units),
            np.maximum(self.calibration.high(raw), units),
        )
        gmv = [_fen(amount * unit_gmv_fen) for amount in (units, low, high)]
        commission = [np.where(rate_ppm == NO_RATE, NO_COMMISSION, fen * rate_ppm // WHOLE) for fen in gmv]
        return Expected(units, low, high, gmv[0], gmv[1], gmv[2], commission[0], commission[1], commission[2])

    def expected_gmv(self, matrix: F32, unit_gmv_fen: F64) -> F64:
        """In fen, (n,), above 0: for ranking; one pass through the forest."""
        return self.calibration.mean(self.raw_units(matrix)) * unit_gmv_fen

    def raw_units(self, matrix: F32) -> F64:
        """The forest's units, before calibration; rises with them."""
        log_start = np.log(starting_units(matrix, self.forest.feature_names, self.usual_units))
        return np.exp(np.clip(self.forest.score(matrix) + log_start, -_LOG_RANGE, _LOG_RANGE))

    def with_report(self, report: Mapping[str, Any]) -> Self:
        """The same with another account of its calibration."""
        return replace(self, report=report)

    def to_files(self, name: str = NAME) -> dict[str, bytes]:
        """`<name>.txt`, the forest, and `<name>.json`, its columns, the knots and the report."""
        files = self.forest.to_files(name)
        curves = {
            curve: {"at": line.at.tolist(), "value": line.value.tolist()}
            for curve in ("mean", "low", "high")
            if isinstance(line := getattr(self.calibration, curve), Curve)
        }
        tables = {
            "usual_units": self.usual_units,
            "calibration": curves | {"n_rows": self.calibration.n_rows},
            "report": dict(self.report),
        }
        columns = json.loads(files[f"{name}.json"])
        files[f"{name}.json"] = json.dumps(
            columns | tables, ensure_ascii=False, indent=1, allow_nan=False
        ).encode()
        return files

    @classmethod
    def from_files(
        cls, files: Mapping[str, bytes], name: str = NAME, *, feature_names: Sequence[str], fingerprint: str
    ) -> Self:
        """From verified files; FeatureMismatch where this build makes other features than it was trained on."""
        forest = Ranker.from_files(files, name, feature_names=feature_names, fingerprint=fingerprint)
        tables = json.loads(files[f"{name}.json"])
        stored = tables["calibration"]
        curves = {
            curve: Curve(
                np.array(stored[curve]["at"], np.float64), np.array(stored[curve]["value"], np.float64)
            )
            for curve in ("mean", "low", "high")
        }
        return cls(
            forest=forest,
            usual_units=float(tables["usual_units"]),
            calibration=Calibration(**curves, n_rows=int(stored["n_rows"])),
            report=tables["report"],
        )


def starting_units(matrix: F32, feature_names: Sequence[str], usual_units: float) -> F64:
    """Units that the ledger alone would expect of a listing with the anchor's usual exposure, (n,), above 0.

    `expected_ratio`; for an anchor without history the SKU's units a listing; else `usual_units`.
    """
    ratio, a_listing = (
        matrix[:, feature_names.index(name)].astype(np.float64)
        for name in ("expected_ratio", "sku_units_per_listing")
    )
    return np.where(_known(ratio), ratio, np.where(_known(a_listing), a_listing, usual_units))


def unit_gmv(snapshot: Snapshot) -> F64:
    """What a unit of each SKU brings, in fen, (n_skus,).

    The year's GMV to units x list price, shrunk SKU -> brand -> category -> all, of the list price: coupons and
    packs of several are in it, and a new SKU is sold off as its kin are.
    """
    shelf, ledger = snapshot.shelf, snapshot.ledger
    price_fen = shelf.price_fen.astype(np.float64)
    at_list_price = ledger.rows.units * price_fen[ledger.sku]
    known = ~np.isnan(at_list_price)
    usual = float(at_list_price[known].sum()) / max(int(known.sum()), 1)
    ratio = shrunk_ratio(
        ledger.sku, ledger.rows.gmv_fen, at_list_price, shelf, max(PRIOR_LISTINGS * usual, 1e-12)
    )
    return np.where(np.isnan(ratio), 1.0, ratio) * price_fen


def _known(values: F64) -> Bools:
    return np.asarray(np.isfinite(values) & (values > 0))


def _fen(amount: F64) -> I64:
    return np.rint(np.minimum(amount, _MOST_FEN)).astype(np.int64)
