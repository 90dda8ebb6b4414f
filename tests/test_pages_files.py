"""Do templates, styles and scripts hold nothing inline and nothing from elsewhere, and can they be read by everybody?"""

import re
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from api.pages import rendering
from api.pages.rendering import STATIC, TEMPLATES, asset_url


def sources(folder: Path, ending: str) -> list[Path]:
    found = sorted(folder.glob(f"*{ending}"))
    assert found
    return found


def test_every_template_can_be_read() -> None:
    environment = rendering._environment()
    for name in environment.list_templates():
        assert environment.get_template(name)


@pytest.mark.parametrize("path", sources(TEMPLATES, ".html"), ids=lambda path: path.name)
def test_a_template_holds_nothing_inline_and_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text("utf-8")
    assert (
        re.findall(r"\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|<style|javascript:|https?://|\|\s*safe\b", text) == []
    )
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert all("{{ asset(" in tag for tag in re.findall(r"<(?:script|link)[^>]*>", text))


@pytest.mark.parametrize("path", sources(STATIC, ".css"), ids=lambda path: path.name)
def test_a_style_sheet_loads_nothing(path: Path) -> None:
    assert re.findall(r"url\(|@import|https?:", path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", sources(STATIC, ".js"), ids=lambda path: path.name)
def test_a_script_makes_no_markup_and_no_code_from_text(path: Path) -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?:|\.style\b"
    )
    assert re.findall(forbidden, path.read_text("utf-8")) == []


def test_another_content_has_another_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "STATIC", tmp_path)
    (tmp_path / "a.css").write_text("a{}")
    rendering._digest.cache_clear()
    first = asset_url("a.css")
    (tmp_path / "a.css").write_text("b{}")
    rendering._digest.cache_clear()
    assert re.fullmatch(r"/static/a\.css\?v=[0-9a-f]{12}", first)
    assert asset_url("a.css") != first
    rendering._digest.cache_clear()


def test_templates_and_static_files_are_in_the_wheel() -> None:
    root = STATIC.parents[1]
    packed = {file.distribution_path for file in WheelBuilder(str(root)).recurse_included_files()}
    ours = [path for folder in (TEMPLATES, STATIC) for path in folder.iterdir()]
    assert [path for path in ours if str(path.relative_to(root)) not in packed] == []


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_edges_stand_out_from_their_ground(scheme: str) -> None:
    css = (STATIC / "fenxiao.css").read_text("utf-8")
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part))
        for part in css.split("prefers-color-scheme: dark")[:2]
    )
    colours = light if scheme == "light" else light | dark
    texts = [
        (ink, ground)
        for ink in ("ink", "ink-soft", "accent", "gold", "good", "bad", "warn")
        for ground in ("ground", "surface")
    ]
    texts += [
        ("ink-soft", "sunken"),
        ("ink", "sunken"),
        ("accent-ink", "accent"),
        ("bad-ink", "bad"),
        ("accent", "accent-soft"),
    ]
    texts += [(name, f"{name}-soft") for name in ("good", "bad", "warn", "quiet")]
    edges = [
        (edge, ground)
        for edge in ("edge", "accent", "series-1", "series-2", "series-3", "series-4")
        for ground in ("ground", "surface")
    ]
    weak = [pair for pair in texts if contrast(colours[pair[0]], colours[pair[1]]) < 4.5]
    faint = [pair for pair in edges if contrast(colours[pair[0]], colours[pair[1]]) < 3]
    assert (weak, faint) == ([], [])
