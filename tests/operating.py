"""Who sits at the operator's desk? Somebody who signed in, with the token that every form of theirs carries."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from html import unescape
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx

from live import Live, served_copy
from matcher.registry import Gate, Provenance, load_manifest, publish, read_history, read_model
from trained import Trained


class Desk:
    """A browser without a screen: the session's cookie, and what pages say."""

    def __init__(
        self, site: Live, role: str = "operator", *, language: str = "en", key: str | None = None
    ) -> None:
        self.site = site
        self.client = httpx.Client(
            base_url=site.url,
            timeout=60,
            headers={"Accept": "text/html", "Accept-Language": language},
            limits=httpx.Limits(max_keepalive_connections=0),  # nothing is left open where nobody closes
        )
        answer = self.client.post("/sign-in", data={"key": key or site.keys[role], "next": "/"})
        assert answer.status_code == 303, answer.text
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(answer.headers["location"]))
        assert found is not None
        self.csrf = found[1]

    def get(self, path: str, status: int = 200) -> str:
        """What stands at the address."""
        answer = self.client.get(path)
        assert answer.status_code == status, (path, answer.status_code, words(answer.text)[:400])
        return answer.text

    def send(self, path: str, *, files: Any = None, **fields: str) -> httpx.Response:
        """Post a form as a page of ours would."""
        return self.client.post(path, data={"csrf": self.csrf, **fields}, files=files)

    def done(self, path: str, *, files: Any = None, **fields: str) -> str:
        """The same, and what the page after it says."""
        answer = self.send(path, files=files, **fields)
        assert answer.status_code == 303, (path, answer.status_code, words(answer.text)[:400])
        return self.get(answer.headers["location"])

    def settled(self, path: str, seconds: float = 30) -> str:
        """The page once it no longer comes again by itself."""
        end = monotonic() + seconds
        while True:
            answer = self.client.get(path)
            assert answer.status_code == 200, words(answer.text)
            if "refresh" not in answer.headers:
                return answer.text
            assert monotonic() < end, words(answer.text)
            sleep(0.05)


def words(page: str) -> str:
    """What a page says, without how."""
    content = re.search(r'<main id="content".*?</main>', page, re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", content[0] if content else page)).split())


def wait_for(what: Any, seconds: float = 30) -> None:
    """Until it is so."""
    end = monotonic() + seconds
    while not what():
        assert monotonic() < end
        sleep(0.05)


@contextmanager
def served_with_nights(trained: Trained, folder: Path) -> Iterator[Live]:
    """A site of its own, with a refused night, a night that passed and a damaged one beside the champion."""
    with served_copy(trained, folder) as site:
        home, version = site.settings.home, read_history(site.settings.home)[-1].version
        another(home, version, days=1)
        another(home, version, days=2, gate=Gate(passed=False, reasons=("goods: it is behind <history>",)))
        damaged = another(home, version, days=-3)
        (home / "models" / damaged / "outcome.txt").write_bytes(b"not what was published")
        yield site


def another(home: Path, version: str, *, days: int, gate: Gate | None = None) -> str:
    """Publish the same model under another day."""
    manifest = load_manifest(home, version)
    metrics: Any = json.loads(json.dumps(manifest.metrics))
    for figures in metrics["judged"].values():
        figures["systems"]["ours"]["ndcg10"] = 0.5 + days / 100
    columns = {name: getattr(manifest, name) for name in Provenance.model_fields}
    columns |= {
        "as_of": manifest.as_of + timedelta(days=days),
        "metrics": metrics,
        "gate": gate or manifest.gate,
    }
    return publish(home, Provenance(**columns), read_model(home, version)).version


def versions(site: Live) -> list[str]:
    """Damaged, champion, passed, refused."""
    return sorted(path.name for path in (site.settings.home / "models").iterdir() if path.is_dir())
