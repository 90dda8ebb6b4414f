"""Where are the parts of pages tried in a browser? On small pages made of them, served under the pages' own policy.

No market stands behind them: what is asked is told back, and what is posted is kept.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import sleep

import uvicorn
from jinja2 import ChoiceLoader, DictLoader
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from api.access import Caller
from api.pages import rendering
from api.pages.rendering import STATIC, Footing, render

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEAD = (
    '{% extends "base.html" %}{% import "parts.html" as parts with context %}'
    "{% block title %}Try{% endblock %}{% block content %}"
)
TEMPLATES = {
    "list.html": HEAD
    + """<div class="with-aside">{% call parts.filter_form(1, kept={"anchor_id": "A1"}) %}
{{ parts.select_field("category", "Category", [("tea", "Tea"), ("jade", "Jade")], asked.category) }}
{{ parts.text_field("q", "Words", asked.q) }}{{ parts.number_field("price", "Price", "¥", asked.price, min=0) }}
{% endcall %}<div id="results" data-says="found {{ found }}">found {{ found }} for {{ asked.anchor_id }}</div></div>{% endblock %}""",
    "asks.html": HEAD
    + """{{ parts.post_form("/done", "Hide", fields={"what": "hidden"}, confirm="Hide it?") }}
{{ parts.confirm_form("/done", "Forget", "Forget A1?", "Yes, forget", {"what": "forgotten"}) }}
{{ parts.post_form("/slow", "Send", "primary") }}{% endblock %}""",
    "boxes.html": HEAD
    + """<form>{% for i in range(7) %}<label class="check"><input type="checkbox" name="sku" value="{{ i }}" data-limit="4"
{% if i == 6 %} disabled{% endif %}>{{ i }}</label>{% endfor %}</form>
<form id="far"></form>{% for i in range(5) %}<label class="check"><input type="checkbox" name="anchor" value="{{ i }}" form="far"
data-limit="4">far {{ i }}</label>{% endfor %}{{ parts.copy_text("fx_secret") }}{% endblock %}""",
    "parts_of_all_kinds.html": HEAD
    + """<div class="with-aside">{% call parts.filter_form(2) %}{{ parts.sort_select([("a", "A"), ("b", "B")], "a") }}
{{ parts.number_field("rate", "Rate", "%", 20, hint="of the open plan", error="too high") }}{{ parts.checkbox_field("s", "Sample", true) }}{% endcall %}
<div id="results" class="stack"><article class="card"><h2>A title that is long enough to be broken on a phone</h2>
<div class="row">{% for s in ("PASS", "FAIL", "INDETERMINATE", "NOT_APPLICABLE") %}{{ parts.verdict_badge({"rule": "price_parity", "status": s, "provisional": true}) }}{% endfor %}</div>
{{ parts.money_range("Commission", 1234500, 400000, 3100000) }}
{{ parts.reasons_list([{"group": "host", "zh": "老粉", "en": "old followers"}]) }}
{{ parts.facts([("Price", 100 | yuan)]) }}<div class="card-foot">{{ parts.button("Pick", "primary", "plus") }}{{ parts.button("Hide", "quiet") }}{{ parts.button("Stop", "danger") }}</div></article>
{{ parts.share_bars("Age", [0.2, 0.8], [0.5, 0.5], ["18", "24"], "Theirs", "Ours") }}
{{ parts.line_plot("NDCG", [{"label": "one", "points": [("a", 1), ("b", 2)]}, {"label": "two", "points": [("a", 2), ("b", 1)]}]) }}
{% call parts.data_table("Feeds", ["Feed", {"label": "Rows", "number": true}]) %}<tr>{{ parts.cell("Feed", "cps_quotes", head=true) }}{{ parts.cell("Rows", 12, number=true) }}</tr>{% endcall %}
{% call parts.data_table("A very wide table", range(30) | map("string") | list, stacked=false) %}<tr>{% for i in range(30) %}{{ parts.cell(i | string, "figure") }}{% endfor %}</tr>{% endcall %}
{% call parts.stats() %}{{ parts.stat("GMV", 1 | about, "note", "good") }}{% endcall %}
{{ parts.price_sum("Price", [{"label": "Item", "amount_fen": 100, "note": "n"}], "Paid") }}
{{ parts.empty_state("Nothing", "Begin", "/", "Go") }}{{ parts.error_state("Failed") }}{{ parts.progress("Import", 1, 3) }}
{% for kind in ("plain", "accent", "good", "warn", "bad") %}{% call parts.notice(kind) %}text{% endcall %}{% endfor %}{{ parts.pager("x", 3, false) }}
{{ parts.confirm_form("/done", "Forget", "Forget A1?", "Yes, forget") }}{{ parts.copy_text("fx_secret") }}</div></div>{% endblock %}""",
}


@dataclass
class SmallPages:
    """The small pages, served; `done` is what was posted."""

    url: str
    done: list[str] = field(default_factory=list)


@contextmanager
def served_small_pages() -> Iterator[SmallPages]:
    """A site of small pages, until the block ends."""
    environment = rendering._environment()
    before = environment.loader
    environment.loader = ChoiceLoader([DictLoader(TEMPLATES), before])
    here = SmallPages("")

    def show(request: Request) -> Response:
        request.state.footing = Footing("20261121-abc", None, simulated=True, stale_feeds=("cps_quotes",))
        asked = {name: request.query_params.get(name) for name in ("category", "q", "price", "anchor_id")}
        if asked["q"] == "slow":
            sleep(1.0)
        if asked["q"] == "broken":
            return PlainTextResponse("no", 500)
        if asked["q"] == "gone":
            return RedirectResponse("/sign-in", 303)
        name = request.url.path.strip("/") + ".html"
        role = request.query_params.get("role", "anchor")
        answer = render(
            request,
            name,
            language="zh" if request.query_params.get("zh") else "en",
            caller=Caller("operator" if role == "operator" else "anchor", "A1", "k", None),
            asked=asked,
            found=f"{asked['category']}-{asked['q']}-{asked['price']}",
        )
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    async def post(request: Request) -> Response:
        form = await request.form()
        here.done.append(str(form.get("what", request.url.path)))
        return RedirectResponse("/asks", 303)

    def post_slowly(_request: Request) -> Response:
        sleep(0.5)
        here.done.append("slow")
        return RedirectResponse("/asks", 303)

    app = Starlette(
        routes=[
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/done", post, methods=["POST"]),
            Route("/slow", post_slowly, methods=["POST"]),
            Route("/sign-in", lambda _request: PlainTextResponse("sign in")),
            Route("/{page}", show),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        sleep(0.01)
    here.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield here
    server.should_exit = True
    thread.join(timeout=10)
    environment.loader = before
