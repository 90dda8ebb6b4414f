"""How alike are two SKUs by their words, and a SKU and what an anchor carries? All that a new SKU has to show.

A title is its words, lower case, and for Chinese its pairs of neighbouring characters; weighted by rarity over the
shelf (idf) and brought to length 1, so that a dot product is a cosine. Each SKU keeps its nearest by title.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from features.history import Level
from features.kernels import F32, F64, I32, I64, Bools, find, jit, row_starts
from features.shelf import Shelf, coded

N_NEAREST = 24
N_PROFILE_TOKENS = 256
LEAST_COSINE = 0.25
_POSTINGS_A_SKU = 4_000
_N_MARKS = 4_096
_RUN = r"[\p{Han}\p{Hiragana}\p{Katakana}]+"  # written without spaces
_WORD = r"[[\p{L}\p{M}\p{N}]--[\p{Han}\p{Hiragana}\p{Katakana}]]+"


@dataclass(frozen=True, slots=True)
class Content:
    """Titles as sparse rows, their nearest rows, and each anchor's profile over the same tokens."""

    starts: I64
    token: I32
    weight: F32
    nearest: I32
    """(n_skus, N_NEAREST), most alike first, -1 where there is none."""
    cosine: F32
    """(n_skus, N_NEAREST); 0 where there is none."""
    profile_starts: I64
    profile_token: I32
    profile_weight: F32
    """The anchor's heaviest tokens, ascending by token, of length 1."""


def read_content(shelf: Shelf, pairs: Level) -> Content:
    """Tokenise the shelf, find the nearest by title, and sum up what each anchor carries."""
    sku, token, n_tokens = _tokens(shelf.titles)
    starts = row_starts(sku, len(shelf))
    frequency = np.bincount(token, minlength=n_tokens)
    idf = np.log(max(len(shelf), 1) / np.maximum(frequency, 1)) + 0.1
    weight = _unit_rows(starts, idf[token]).astype(np.float32)
    nearest, cosine = _nearest(starts, token, weight, frequency.astype(np.int64), len(shelf))
    profile = _profiles(pairs.starts, pairs.code, starts, token, weight, n_tokens)
    return Content(starts, token, weight, nearest, cosine, *profile)


def content_columns(content: Content, pairs: Level, anchors: I32, skus: I32, out: F32, first: int) -> None:
    """Cosine to the anchor's profile, and the squared cosines of carried neighbours, into `out[:, first:]`."""
    _columns(
        content.starts, content.token, content.weight, content.nearest, content.cosine,
        content.profile_starts, content.profile_token, content.profile_weight,
        pairs.starts, pairs.code, anchors, skus, out, first,
    )  # fmt: skip


def _tokens(titles: pl.Series) -> tuple[I32, I32, int]:
    """(SKU row, token) pairs without repeats, ascending; tokens are numbered in their own order."""
    lower = pl.col("title").str.to_lowercase()
    rows = pl.DataFrame({"title": titles}).with_row_index("sku")
    words, runs = (
        rows.select("sku", token=lower.str.extract_all(kind)).explode("token").drop_nulls()
        for kind in (_WORD, _RUN)
    )
    distinct = runs["token"].unique()
    pieces = pl.DataFrame(
        {"token": distinct, "piece": [_pieces(run) for run in distinct]},
        schema={"token": pl.String, "piece": pl.List(pl.String)},
    ).explode("piece")
    pairs = runs.join(pieces, on="token").select("sku", pl.col("piece").alias("token"))
    tokens = pl.concat([words, pairs]).unique().sort("sku", "token")
    names, token = coded(tokens["token"])
    return tokens["sku"].cast(pl.Int32).to_numpy(), token, len(names)


def _pieces(run: str) -> list[str]:
    """The pairs of neighbouring characters.

    >>> _pieces("保湿面膜"), _pieces("茶")
    (['保湿', '湿面', '面膜'], ['茶'])
    """
    return [run[i : i + 2] for i in range(max(len(run) - 1, 1))]


@jit
def _unit_rows(starts: I64, values: F64) -> F64:
    out = values.copy()
    for s in range(len(starts) - 1):
        total = 0.0
        for k in range(starts[s], starts[s + 1]):
            total += values[k] * values[k]
        for k in range(starts[s], starts[s + 1]):
            out[k] = values[k] / np.sqrt(total)
    return out


@jit
def _postings(starts: I64, token: I32, weight: F32, frequency: I64) -> Any:
    """Which SKUs have each token, ascending, and with what weight: (begins, SKU row, weight)."""
    begins = np.zeros(len(frequency) + 1, np.int64)
    begins[1:] = np.cumsum(frequency)
    place = begins[:-1].copy()
    posting = np.empty(len(token), np.int32)
    posted = np.empty(len(token), np.float32)
    for s in range(len(starts) - 1):
        for k in range(starts[s], starts[s + 1]):
            posting[place[token[k]]] = s
            posted[place[token[k]]] = weight[k]
            place[token[k]] += 1
    return begins, posting, posted


@jit
def _nearest(starts: I64, token: I32, weight: F32, frequency: I64, n_skus: int) -> Any:
    """Over postings, rarest tokens of a SKU first, until its budget of postings is used up."""
    begins, posting, posted = _postings(starts, token, weight, frequency)
    nearest = np.full((n_skus, N_NEAREST), -1, np.int32)
    cosine = np.zeros((n_skus, N_NEAREST), np.float32)
    score = np.zeros(n_skus, np.float32)
    touched = np.empty(n_skus, np.int32)
    alike = np.empty(n_skus, np.int32)
    for s in range(n_skus):
        row = starts[s] + np.argsort(frequency[token[starts[s] : starts[s + 1]]], kind="mergesort")
        n, spent = 0, 0
        for k in row:
            t = token[k]
            spent += frequency[t]
            if spent > _POSTINGS_A_SKU and n > 0:
                break
            for p in range(begins[t], begins[t + 1]):
                other = posting[p]
                if score[other] == 0.0:
                    touched[n] = other
                    n += 1
                score[other] += weight[k] * posted[p]
        score[s] = 0.0
        n_alike = 0
        for i in range(n):
            if score[touched[i]] >= LEAST_COSINE:  # few are: the others need not be put in order
                alike[n_alike] = touched[i]
                n_alike += 1
        found = np.sort(alike[:n_alike])
        best = found[np.argsort(-score[found], kind="mergesort")]
        for j in range(min(N_NEAREST, len(best))):
            nearest[s, j] = best[j]
            cosine[s, j] = score[best[j]]
        for i in range(n):
            score[touched[i]] = 0.0
    return nearest, cosine


@jit
def _profiles(pair_starts: I64, pair_sku: I32, starts: I64, token: I32, weight: F32, n_tokens: int) -> Any:
    n_anchors = len(pair_starts) - 1
    out_starts = np.zeros(n_anchors + 1, np.int64)
    out_token = np.empty(n_anchors * N_PROFILE_TOKENS, np.int32)
    out_weight = np.empty(n_anchors * N_PROFILE_TOKENS, np.float32)
    score = np.zeros(n_tokens, np.float64)
    touched = np.empty(n_tokens, np.int32)
    for a in range(n_anchors):
        n = 0
        for g in range(pair_starts[a], pair_starts[a + 1]):
            for k in range(starts[pair_sku[g]], starts[pair_sku[g] + 1]):
                if score[token[k]] == 0.0:
                    touched[n] = token[k]
                    n += 1
                score[token[k]] += weight[k]
        found = np.sort(touched[:n])
        heavy = np.sort(found[np.argsort(-score[found], kind="mergesort")[:N_PROFILE_TOKENS]])
        total = 0.0
        for i in range(n):
            total += score[found[i]] * score[found[i]]
        place = out_starts[a]
        for t in heavy:
            out_token[place] = t
            out_weight[place] = score[t] / np.sqrt(total)
            place += 1
        out_starts[a + 1] = place
        for i in range(n):
            score[touched[i]] = 0.0
    end = out_starts[n_anchors]
    return out_starts, out_token[:end].copy(), out_weight[:end].copy()


@jit
def _columns(
    starts: I64, token: I32, weight: F32, nearest: I32, cosine: F32,
    profile_starts: I64, profile_token: I32, profile_weight: F32,
    pair_starts: I64, pair_sku: I32, anchors: I32, skus: I32, out: F32, first: int,
) -> None:  # fmt: skip
    carries, speaks, marked = np.zeros(_N_MARKS, np.bool_), np.zeros(_N_MARKS, np.bool_), -1
    for i in range(len(anchors)):
        a, s = anchors[i], skus[i]
        if a != marked:
            _mark(carries, pair_sku, pair_starts[a], pair_starts[a + 1])
            _mark(speaks, profile_token, profile_starts[a], profile_starts[a + 1])
            marked = a
        if pair_starts[a] == pair_starts[a + 1]:
            out[i, first] = np.nan
            out[i, first + 1] = np.nan
            continue
        total = 0.0
        for k in range(starts[s], starts[s + 1]):
            if speaks[token[k] % _N_MARKS]:
                p = find(profile_token, profile_starts[a], profile_starts[a + 1], token[k])
                total += weight[k] * profile_weight[p] if p >= 0 else 0.0
        out[i, first] = total
        total = 0.0
        for j in range(N_NEAREST):
            if nearest[s, j] < 0:
                break
            near = nearest[s, j]
            if carries[near % _N_MARKS] and find(pair_sku, pair_starts[a], pair_starts[a + 1], near) >= 0:
                total += cosine[s, j] * cosine[s, j]
        out[i, first + 1] = total


@jit
def _mark(marks: Bools, codes: I32, begin: int, end: int) -> None:
    """Where no code of these can be: most look-ups find nothing, and need not search to know it."""
    marks[:] = False
    for k in range(begin, end):
        marks[codes[k] % _N_MARKS] = True
