"""Does a server that has answered a hundred thousand requests hold more than one that has answered twenty thousand?"""

import asyncio

import pytest

import bench_serve

N_SOAKED = 100_000

child = bench_serve.child


@pytest.mark.slow
def test_memory_stays_flat_over_a_hundred_thousand_requests(child: bench_serve.Child) -> None:
    paths = [f"/v1/anchors/{anchor}/goods?limit=5" for anchor in child.anchors]
    asyncio.run(bench_serve.closed_loop(child, paths, None, n_requests=N_SOAKED // 5))
    before = child.resident_mib()
    asyncio.run(bench_serve.closed_loop(child, paths, None, n_requests=N_SOAKED))
    after = child.resident_mib()
    print(  # noqa: T201 - quoted by whoever runs it
        f"\nresident after {N_SOAKED // 5:,} requests {before:.0f} MiB, after {N_SOAKED:,} more {after:.0f} MiB"
    )
    assert after < before * 1.05 + 20
