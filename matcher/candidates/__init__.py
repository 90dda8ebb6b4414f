"""Which pairs are worth ranking? Sources of candidates, one file each, and their union.

A source is prepared once for a snapshot and then asked for one anchor (`goods`) or one SKU (`shortlist`). It
answers with a `Said`: scores over SKUs or anchors. All are examined alike by `tests/test_candidates.py`.
"""
