"""Are pages drawn as promised: escaped, in both languages, with units, nothing inline and nothing from outside?"""

import doctest
import re
import string
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from api.access import Caller
from api.pages import drawing, figures, rendering, words
from api.pages.rendering import NAVIGATION, TEMPLATES, Footing, render, render_problem
from api.pages.words import WORDS
from drawn import drawn, request_for

ANCHOR = Caller("anchor", "A1", "k1", None)
PAGES = Path(rendering.__file__).parent


def page(language: str = "en", caller: Caller | None = ANCHOR, **state: Any) -> str:
    request = request_for()
    for name, value in state.items():
        setattr(request.state, name, value)
    answer = render(
        request, "problem.html", language=language, caller=caller, told=404, detail=None, request_id=None
    )
    return answer.body.decode()


# ------------------------------------------------------------------ figures


@pytest.mark.parametrize("module", [figures, words, drawing])
def test_the_examples_of_the_modules_hold(module: Any) -> None:
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize(
    ("source", "zh", "en"),
    [
        ("{{ 123450 | yuan }}", "¥1,234.50", "¥1,234.50"),
        ("{{ (-5) | yuan }}", "-¥0.05", "-¥0.05"),
        ("{{ 205000 | percent }}", "20.5 %", "20.5 %"),
        ("{{ 9994999 | about }}", "¥10万", "¥99.9k"),
        ("{{ 999 | about }}", "¥10", "¥10"),
        ("{{ 949 | about }}", "¥9.5", "¥9.5"),
        ("{{ 99_999_999_99 | about }}", "¥1亿", "¥100m"),
        ("{{ 9999 | short }}", "9,999", "9,999"),
        ("{{ 10000 | short }}", "1万", "10k"),
        ("{{ 12345 | count }}", "12,345", "12,345"),
        ("{{ 1.99 | hours }}", "119 分钟", "119 minutes"),
        ("{{ 2 | hours }}", "2 小时", "2 hours"),
        ("{{ 48 | hours }}", "2 天", "2 days"),
        ("{{ 0 | share }}", "0 %", "0 %"),
        ("{{ 'OK' | sentence }}", "符合承诺", "the promise is kept"),
    ],
)
def test_a_figure_is_written_with_its_unit(source: str, zh: str, en: str) -> None:
    assert (drawn(source, "zh"), drawn(source, "en")) == (zh, en)


@pytest.mark.parametrize(
    "name", ["yuan", "percent", "about", "short", "count", "decimal", "share", "hours", "instant", "day"]
)
def test_what_nobody_knows_is_a_dash(name: str) -> None:
    assert drawn(f"{{{{ none | {name} }}}}") == "—"


def test_an_instant_is_told_in_shanghai_and_a_naive_one_is_refused() -> None:
    late = datetime(2026, 11, 22, 16, 5, tzinfo=UTC)
    assert drawn("{{ at | instant }} {{ at | day }}", at=late) == "2026-11-23 00:05 2026-11-23"
    with pytest.raises(ValueError, match="no offset"):
        drawn("{{ at | instant }}", at=late.replace(tzinfo=None))


# ------------------------------------------------------------------ words


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_text_is_there_in_both_languages_with_the_same_placeholders() -> None:
    for key, (zh, en) in WORDS.items():
        forms = en.split("|")
        assert zh.strip(), key
        assert all(form.strip() for form in forms), key
        assert len(forms) <= 2, key
        # "one row" may leave the figure out.
        assert placeholders(zh) == placeholders(forms[-1]), key
        assert placeholders(forms[0]) <= placeholders(forms[-1]), key


def test_an_area_keeps_its_keys_under_its_own_name() -> None:
    for area in ("anchor", "brand", "operator"):
        assert [key for key in words.AREAS[area] if not key.startswith(f"{area}.")] == []
    with pytest.raises(ValueError, match="written twice"):
        words._together({"one": {"a": ("啊", "a")}, "other": {"a": ("啊", "a")}})


def test_every_text_that_a_template_asks_for_exists() -> None:
    missing = [
        (path.name, key)
        for path in TEMPLATES.glob("*.html")
        for key in re.findall(r'\bt\("([^"]+)"\s*[,)]', path.read_text("utf-8"))
        if key not in WORDS
    ]
    assert missing == []


def test_every_text_is_used() -> None:
    text = "\n".join(path.read_text("utf-8") for path in [*TEMPLATES.glob("*.html"), *PAGES.glob("*.py")])
    said = set(re.findall(r"""["']([A-Za-z][A-Za-z0-9_.-]*)["']""", text))
    begun = re.findall(r'"([a-z_]+\.[A-Za-z0-9_.]*)"\s*[~+]', text) + re.findall(
        r'f"([a-z_]+\.[A-Za-z0-9_.]*)\{', text
    )
    assert [key for key in WORDS if key not in said and not key.startswith(tuple(set(begun)))] == []


def test_a_text_or_a_value_that_is_missing_is_loud() -> None:
    with pytest.raises(KeyError):
        drawn('{{ t("no.such.words") }}')
    with pytest.raises(KeyError):
        drawn('{{ t("footer.model") }}')
    with pytest.raises(UndefinedError):
        drawn("{{ nothing_of_the_kind }}")


# ------------------------------------------------------------------ the frame


def test_what_is_handed_in_is_escaped_everywhere() -> None:
    evil = '"><script>alert(1)</script>'
    markup = drawn(
        "{{ v }}{{ parts.badge(v) }}{{ parts.text_field('q', v, v, hint=v, error=v) }}{{ parts.copy_text(v) }}"
        "{{ parts.post_form(v, v, fields={'a': v}, confirm=v) }}{{ parts.price_sum(v, [{'label': v, 'amount_fen': 1, 'note': v}], v) }}"
        "{{ parts.select_field('s', v, [(v, v)], v) }}{{ parts.share_bars(v, [0.5], [0.5], [v], v, v) }}"
        "{{ parts.line_plot(v, [{'label': v, 'points': [(v, 1.0)]}]) }}{{ parts.facts([(v, v)]) }}{{ t('acting_for', name=v) }}",
        v=evil,
    )
    assert "<script" not in markup
    assert evil not in markup
    assert markup.count("&lt;script&gt;") > 20


def test_a_page_is_kept_by_nobody_but_its_reader() -> None:
    answer = render_problem(request_for(), 404, language="zh", caller=None)
    assert answer.status_code == 404
    assert answer.headers["vary"] == "Cookie, Accept-Language"
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["content-language"] == "zh"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_each_role_finds_its_own_pages_in_the_navigation() -> None:
    for role, names in NAVIGATION.items():
        markup = page(caller=Caller(role, None, "k", None))
        assert re.findall(r'<li><a href="/(\w+)"', markup) == list(names)
    assert "<nav" not in page(caller=None)
    assert '<a href="/goods" aria-current="page">' in page()


def test_the_language_is_said_and_can_be_changed_without_losing_the_place() -> None:
    request = request_for("/goods", "sort=rate&page=2")
    answer = render_problem(request, 404, language="zh", caller=ANCHOR).body.decode()
    assert '<html lang="zh-CN">' in answer
    assert 'name="next" value="/goods?sort=rate&amp;page=2"' in answer
    assert 'name="language" value="en"' in answer


def test_every_form_that_posts_carries_the_token() -> None:
    forms = re.findall(r'<form[^>]*method="post".*?</form>', page(csrf="t0ken"), re.DOTALL)
    assert len(forms) == 2
    assert all('name="csrf" value="t0ken"' in form for form in forms)
    both = drawn("{{ parts.post_form('/a', 'A') }}{{ parts.confirm_form('/b', 'B', 'Sure?', 'Yes') }}")
    assert both.count('name="csrf" value="token&lt;1&gt;"') == 2


def test_what_the_page_stands_on_is_told() -> None:
    at = datetime(2026, 11, 22, 8, 5, tzinfo=UTC)
    told = page(footing=Footing("20261121-abc", at, simulated=True, stale_feeds=("cps_quotes",)))
    assert "Model 20261121-abc" in told
    assert "2026-11-22 16:05" in told
    assert "simulated" in told
    assert "Over its limit of age: cps_quotes" in told
    assert "simulated" not in page()


def test_a_problem_without_words_of_its_own_is_told_by_its_kind() -> None:
    for status, heading in ((418, "cannot be read"), (507, "wrong on our side"), (429, "Too many requests")):
        answer = render_problem(request_for(), status, language="en", caller=None, request_id="r1")
        assert answer.status_code == status
        assert heading in answer.body.decode()
        assert "Request r1" in answer.body.decode()


def test_an_address_changes_in_one_parameter() -> None:
    query = "sort=rate&category=a&category=b&cursor=x"
    assert drawn("{{ here(cursor=none) }}", query=query) == "/goods?sort=rate&amp;category=a&amp;category=b"
    assert (
        drawn("{{ here(category=['c'], cursor='y') }}", query=query)
        == "/goods?sort=rate&amp;category=c&amp;cursor=y"
    )
    assert drawn("{{ here() }}") == "/goods"
