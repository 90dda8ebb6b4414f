"use strict";
/* How are a pick and a wish sent without leaving the place? Every form with data-part="ID" is posted beside the page,
   and the answer takes the place of that element. Without JavaScript the same form is answered by the whole page.
   data-forgets="PATH": cards of that category go with it, and come back when it is undone. */
(() => {
  const removed = new Map();

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.dataset.part || event.defaultPrevented) return;
    const part = document.getElementById(form.dataset.part);
    if (!part) return;
    event.preventDefault();
    send(form, part);
  });

  async function send(form, part) {
    const button = form.querySelector("button");
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { "X-Fenxiao-Part": "1", Accept: "text/html" },
      });
      if (answer.redirected) {
        location.reload(); // the session has ended: the page itself leads to the sign-in and back here
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      put(form, part, await answer.text());
    } catch {
      button.removeAttribute("aria-busy");
      complain(form);
    }
  }

  function put(form, part, html) {
    const fresh = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
    const shown = part.id.startsWith("card-") && form.action.endsWith("/goods/show") ? removed.get(part.id) : null;
    if (shown) {
      for (const card of shown.others) card.hidden = false;
      removed.delete(part.id);
      part.replaceWith(shown.part);
      focus(shown.part.querySelector("summary") || shown.part);
      return;
    }
    if (form.action.endsWith("/goods/hide")) removed.set(part.id, { part, others: forget(form, part) });
    for (const one of part.querySelectorAll("details[open]")) one.open = false;
    const button = form.querySelector("button");
    button.removeAttribute("aria-busy");
    part.replaceWith(fresh);
    focus(fresh.matches("[tabindex]") ? fresh : fresh.querySelector("[tabindex]") || fresh);
  }

  function forget(form, part) {
    const path = form.dataset.forgets;
    if (!path) return [];
    const others = [...document.querySelectorAll("[data-category]")].filter((card) => {
      const category = card.dataset.category;
      return card !== part && !card.hidden && (category === path || category.startsWith(`${path}/`));
    });
    for (const card of others) card.hidden = true;
    return others;
  }

  function focus(element) {
    element.focus({ preventScroll: true });
    element.scrollIntoView({ block: "nearest" });
  }

  function complain(form) {
    const said = form.parentElement.querySelector(".part-failed") || document.createElement("p");
    said.className = "field-error part-failed";
    said.setAttribute("role", "alert");
    said.textContent = document.body.dataset.sayFailed;
    form.after(said);
  }
})();
