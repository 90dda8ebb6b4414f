"""Does a damaged model ever serve, or take a process with it? Three hundred damages, over every file of a model.

Four of five leave the seals as they were: such a model is refused before anybody else hears of it. Every fifth is sealed
anew, as by somebody who can write to the registry: then LightGBM does see it, in a process that may die of it.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
import pytest

from api import loading
from api.loading import last_best_source, load_champion
from api.serving import Serving
from copies import Told, runner
from features.errors import FenxiaoError, RegistryDamaged
from features.settings import Settings
from features.units import midnight
from matcher.registry import Manifest, Promotion, _point, champion, load_manifest, publish, read_model
from quiet import quiet
from trained import Trained

N_DAMAGES: Final = 300
N_AT_ONCE: Final = 20
"""So many of them are tried whenever the tests are run."""

Harm = Callable[[np.random.Generator, Path, str], None]
"""Damages one file of a model's folder."""


def flip(rng: np.random.Generator, folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    (folder / name).write_bytes(content)


def cut(rng: np.random.Generator, folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: rng.integers(len(content))])


def lengthen(rng: np.random.Generator, folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    place = int(rng.integers(len(content) + 1))
    content[place:place] = b"x" * int(rng.integers(1, 5_000))  # JSON takes blanks in its stride
    (folder / name).write_bytes(content)


def zero(rng: np.random.Generator, folder: Path, name: str) -> None:
    """A page that was never written, as after the power failed."""
    content = bytearray((folder / name).read_bytes())
    place = int(rng.integers(len(content)))
    content[place : place + 4_096] = bytes(len(content[place : place + 4_096]))
    (folder / name).write_bytes(content)


def empty(_rng: np.random.Generator, folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")


def delete(_rng: np.random.Generator, folder: Path, name: str) -> None:
    (folder / name).unlink()


def swap(rng: np.random.Generator, folder: Path, name: str) -> None:
    """Two files under each other's names."""
    others = [file for file in sorted(folder.iterdir()) if file.read_bytes() != (folder / name).read_bytes()]
    other = others[rng.integers(len(others))]
    (folder / name).rename(folder / "swapped")
    other.rename(folder / name)
    (folder / "swapped").rename(other)


def replace_by_folder(_rng: np.random.Generator, folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()


def edit_manifest(rng: np.random.Generator, folder: Path, name: str) -> None:
    """A seal, a figure or the version itself, by hand."""
    manifest = json.loads((folder / "manifest.json").read_text())
    edits: list[Callable[[], Any]] = [
        lambda: manifest["files"].__setitem__(name, "0" * 64),
        lambda: manifest["files"].pop("mix.json"),
        lambda: manifest["files"].__setitem__("../champion.json", "0" * 64),
        lambda: manifest["files"].__setitem__("mix\0.json", "0" * 64),
        lambda: manifest["metrics"].__setitem__("ndcg10", float("nan")),
        lambda: manifest["gate"].__setitem__("reasons", ["none"]),
        lambda: manifest.__setitem__("as_of", "0001-01-01"),
        lambda: manifest.__setitem__("version", "20261111-000000000000"),
        lambda: manifest.__setitem__("files", [name]),
    ]
    edits[rng.integers(len(edits))]()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def lose_the_folder(rng: np.random.Generator, folder: Path, _name: str) -> None:
    shutil.rmtree(folder)
    if rng.random() < 0.5:
        folder.write_bytes(b"a file of that name")


HARMS: Final[tuple[Harm, ...]] = (
    flip, cut, edit_manifest, swap, lengthen, empty, delete, zero, replace_by_folder, lose_the_folder,
)  # fmt: skip
_HOSTILE: Final = (
    "999999999",
    "-1",
    "-999999999",
    "nan",
    "inf",
    "1e308",
    "x",
    "",
    "99999999999999999999",
    "3",
)


def hostile(rng: np.random.Generator, name: str, content: bytes) -> bytes:
    """Another content under a seal of its own: a value, a line or a byte that is not what it was."""
    if name == "golden.json":
        return [b"{}", b"[]", b'{"sha256": "0"}', b"", b"[" * 100_000][rng.integers(5)]
    kind = rng.integers(4)
    text = content.decode()
    values = list(re.finditer(r"(?<=[ =:\[])-?\d[\d.e-]*", text))
    if kind == 0 and values:
        value = values[rng.integers(len(values))]
        return (text[: value.start()] + str(rng.choice(_HOSTILE)) + text[value.end() :]).encode()
    lines = text.split("\n")
    at = int(rng.integers(len(lines)))
    if kind == 1:
        del lines[at]
    elif kind == 2:
        lines.insert(at, lines[rng.integers(len(lines))] + "x")
    else:
        lines[at] = lines[at][: rng.integers(len(lines[at]) + 1)] + "\U0001f4a5" * 400
    return "\n".join(lines).encode()


@dataclass(frozen=True)
class House:
    """A site that serves, and a registry in which the next champion is made."""

    serving: Serving
    home: Path
    trained: Trained
    sound: Manifest
    """The champion that serves."""
    newer: Manifest
    """A second one, whole: what is damaged are copies of it."""
    kept: Path
    """Where it lies, out of the registry."""

    def point(self, version: str) -> None:
        """That version is the champion, whatever anybody thinks of it."""
        at = midnight(self.trained.market.as_of)
        _point(
            self.home,
            (
                Promotion(version=self.sound.version, promoted_at=at),
                Promotion(version=version, promoted_at=at),
            ),
        )


@pytest.fixture(scope="module")
def house(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("damaged")
    home = folder / "home"
    shutil.copytree(trained.home, home)
    newer = publish(
        home,
        trained.night.provenance.model_copy(update={"seeds": {"another": 1}}),
        trained.night.files,
    )
    kept = (home / "models" / newer.version).rename(folder / "kept")
    store = shutil.copy(trained.url.removeprefix("sqlite:///"), folder / "site.db")
    settings = Settings(database_url=f"sqlite:///{store}", home=home, threads=1)
    now = midnight(trained.market.as_of) + timedelta(hours=12)
    with quiet():
        serving = Serving(settings, clock=lambda: now)
        serving.refresh()
        yield House(serving, home, trained, trained.manifest, newer, kept)
        serving.close()


@pytest.fixture
def put(house: House) -> Iterator[Callable[[Manifest, dict[str, bytes]], Path]]:
    """Puts a model's files under its version, makes it the champion, and clears it away."""
    versions: list[Path] = []

    def do(manifest: Manifest, files: dict[str, bytes]) -> Path:
        folder = house.home / "models" / manifest.version
        versions.append(folder)
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        if not (folder / "manifest.json").exists():
            (folder / "manifest.json").write_text(json.dumps(manifest.model_dump(mode="json"), indent=1))
        house.point(manifest.version)
        return folder

    yield do
    house.point(house.sound.version)
    for folder in versions:
        if folder.is_dir():
            shutil.rmtree(folder)
        else:
            folder.unlink(missing_ok=True)
    house.serving._look()
    assert house.serving.current is not None
    assert house.serving.current.engine.version == house.sound.version


@pytest.fixture
def seen(house: House, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The forests that LightGBM was given in this process, but for those of the sound model."""
    sound = {hashlib.sha256(content).hexdigest() for content in house.trained.night.files.values()}
    true, found = lightgbm.Booster, []

    def booster(*_words: object, model_str: str) -> lightgbm.Booster:
        if hashlib.sha256(model_str.encode()).hexdigest() not in sound:
            found.append(model_str)
        return true(model_str=model_str)

    monkeypatch.setattr(lightgbm, "Booster", booster)
    return found


@pytest.fixture
def models(house: House, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """`matcher models ...` of the house."""
    run = runner(capsys)
    return lambda *words: run("models", *words, "--home", house.home)


def is_a_sentence(said: str) -> bool:
    return said.startswith("matcher: ") and said.count("\n") == 1 and "Traceback" not in said


def refusal_of(load: Callable[[], None]) -> FenxiaoError | None:
    try:
        load()
    except FenxiaoError as error:
        return error
    return None


def numbered(n_all: int, n_at_once: int) -> list[Any]:
    return [pytest.param(n, marks=pytest.mark.slow if n >= n_at_once else ()) for n in range(n_all)]


@pytest.mark.parametrize("number", numbered(N_DAMAGES * 4 // 5, N_AT_ONCE * 4 // 5))
def test_what_is_not_as_it_was_published_is_refused_told_of_and_never_loaded(
    house: House, put: Any, seen: list[str], models: Any, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    rng = np.random.default_rng((20_261_122, number))
    files = {file.name: file.read_bytes() for file in sorted(house.kept.iterdir())}
    name = sorted(files)[(number // len(HARMS)) % len(files)]
    folder = put(house.newer, files)
    HARMS[number % len(HARMS)](rng, folder, name)
    before = house.serving.current
    monkeypatch.setattr(loading, "try_model", lambda *_: pytest.fail("it was handed to a trial"))
    with pytest.raises(RegistryDamaged, match=house.newer.version):
        house.serving._look()
    with pytest.raises(RegistryDamaged):
        load_champion(house.home)
    with pytest.raises(FenxiaoError):
        read_model(house.home, house.newer.version)
    assert house.serving.current is before
    assert seen == []
    assert last_best_source(house.home, house.serving.clock()) is not None
    code, out, err = models("list")
    assert (code, err) == (0, "")
    assert house.sound.version in out
    assert not folder.exists() or house.newer.version in out
    code, out, err = models("show")
    assert code in (1, 2)
    assert is_a_sentence(err)


@pytest.mark.parametrize("number", numbered(N_DAMAGES // 5, N_AT_ONCE // 5))
def test_what_was_sealed_anew_is_refused_or_harmless_and_kills_its_trial_at_the_most(
    house: House, put: Any, seen: list[str], models: Any, number: int
) -> None:
    rng = np.random.default_rng((20_261_123, number))
    files = dict(house.trained.night.files)
    texts = [name for name in files if name.endswith(".txt")]
    name = str(rng.choice(texts if rng.random() < 0.8 else sorted(files)))
    files[name] = hostile(rng, name, files[name])
    manifest = Manifest.seal(house.trained.night.provenance, files)
    put(manifest, files)
    before = house.serving.current
    refusal = refusal_of(house.serving._look)
    if refusal is not None:
        assert "\n" not in str(refusal)
        assert house.serving.current is before
        assert seen == []
    else:
        served = house.serving.current
        assert served is not None
        model = served.engine.model
        assert model is not None
        batch = rng.normal(size=(64, len(model.goods_uptake.feature_names))).astype(np.float32)
        for ranker in (model.goods_uptake, model.shortlist_uptake, model.goods_value, model.outcome.forest):
            assert ranker is not None
            assert np.allclose(ranker.contributions(batch).sum(axis=1), ranker.score(batch), atol=1e-6)
    assert models("list")[0] == 0


def test_a_seal_vouches_for_no_file_outside_the_models_folder(house: House, put: Any) -> None:
    outside = house.home / "secret"
    outside.write_bytes(b"secret")
    files = dict(house.trained.night.files)
    sums = Manifest.seal(house.trained.night.provenance, files)
    reaching = sums.model_copy(
        update={"files": {**sums.files, "../../secret": hashlib.sha256(b"secret").hexdigest()}}
    )
    reaching = reaching.model_copy(update={"version": reaching.rightful_version})
    put(reaching, files)
    with pytest.raises(RegistryDamaged, match="cannot be read"):
        read_model(house.home, reaching.version)


def test_a_figure_that_json_does_not_have_is_damage(house: House, put: Any) -> None:
    folder = put(house.newer, dict(house.trained.night.files))
    told = json.loads((folder / "manifest.json").read_text())
    told["metrics"] = {"ndcg10": float("inf")}
    (folder / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(RegistryDamaged, match="cannot be read"):
        load_manifest(house.home, house.newer.version)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b'{"history": [{"version": "latest"}]}', None]
)
def test_a_damaged_pointer_is_told_and_what_served_goes_on(
    house: House, models: Any, content: bytes | None
) -> None:
    pointer = house.home / "models" / "champion.json"
    kept = pointer.read_bytes()
    before = house.serving.current
    try:
        pointer.unlink()
        if content is None:
            pointer.mkdir()
        else:
            pointer.write_bytes(content)
        with pytest.raises(RegistryDamaged, match=r"champion\.json"):
            house.serving._look()
        assert house.serving.current is before
        code, _, err = models("list")
        assert code == 1
        assert is_a_sentence(err)
    finally:
        if pointer.is_dir():
            pointer.rmdir()
        pointer.write_bytes(kept)
    assert champion(house.home) is not None


def test_a_trial_that_does_not_end_is_ended_and_the_model_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_LONGEST_TRIAL_SECONDS", 0.01)
    with pytest.raises(RegistryDamaged, match="did not end"):
        loading.try_model(house.home, house.sound.version)
