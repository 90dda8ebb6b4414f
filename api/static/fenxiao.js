/* What is done better where scripts run? Filters that answer at once, questions before what matters, busy buttons.

   Every page works without this file. It holds no words of its own (they stand on <body data-say-...>) and makes no
   markup from text: what it puts into a page is what the server rendered, parsed, or textContent. */

"use strict";

(() => {
  const LIVE_WAIT_MS = 250;
  const say = (name) => document.body.dataset[`say${name}`] ?? "";

  document.documentElement.classList.add("scripted");

  /* ---------------------------------------------------------------- live forms
     <form method="get" data-live="ID">: while it is filled in, its answer is fetched, and the element #ID of that
     answer takes the place of ours. data-live-address: the address follows, so that filters can be kept and sent.
     What <... id="ID" data-says="12 goods"> says is read out once the answer is there. */

  const waiting = new WeakMap(); // form -> timer
  const underway = new WeakMap(); // form -> AbortController

  function addressOf(form) {
    const address = new URL(form.getAttribute("action") || location.pathname, location.href);
    address.search = "";
    for (const [name, value] of new FormData(form)) {
      // What is not asked for is not said: addresses stay short enough to be read.
      if (typeof value === "string" && value !== "") address.searchParams.append(name, value);
    }
    return address;
  }

  function statusBeside(target) {
    const before = target.previousElementSibling;
    if (before?.classList.contains("live-status")) return before;
    const status = document.createElement("p");
    status.className = "live-status";
    status.setAttribute("role", "status");
    target.before(status);
    return status;
  }

  async function refresh(form) {
    const target = document.getElementById(form.dataset.live);
    const address = addressOf(form);
    if (!target) {
      location.assign(address);
      return;
    }
    underway.get(form)?.abort(); // an older answer must not overtake a newer one
    const control = new AbortController();
    underway.set(form, control);
    const status = statusBeside(target);
    status.classList.remove("bad");
    status.textContent = say("Loading");
    target.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(address, { signal: control.signal, headers: { Accept: "text/html" } });
      // A session that has ended leads to the page for signing in: go there, do not paste it in here.
      if (new URL(answer.url).pathname !== address.pathname) {
        location.assign(answer.url);
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(target.id);
      // A form that is half filled in may be answered by 422: its fragment says what is wrong.
      if (!fresh || answer.status >= 500 || answer.status === 429) throw new Error(`answered ${answer.status}`);
      target.replaceChildren(...fresh.childNodes);
      status.textContent = fresh.dataset.says ?? ""; // such as how many there are now: read out, and seen
      if ("liveAddress" in form.dataset) history.replaceState(null, "", address);
      prepare(target);
    } catch (error) {
      if (error.name === "AbortError") return; // the newer request looks after the target
      status.classList.add("bad");
      status.textContent = say("Failed");
    }
    if (underway.get(form) === control) target.removeAttribute("aria-busy");
  }

  function refreshSoon(form, wait) {
    clearTimeout(waiting.get(form));
    waiting.set(form, setTimeout(() => refresh(form), wait));
  }

  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (!form?.dataset.live) return;
    // Half a number is no number: wait until what is typed may be meant.
    if (!event.target.checkValidity()) return;
    refreshSoon(form, event.target.matches("select, [type=checkbox], [type=radio]") ? 0 : LIVE_WAIT_MS);
  });

  /* ---------------------------------------------------------------- questions before what matters
     <form data-confirm="Really?">: asked in a dialog; without scripts such a form goes through at once, so what cannot
     be undone stands in <details class="confirm"> instead, whose button here opens and closes. */

  function ask(question, sure, isDanger) {
    const dialog = document.createElement("dialog");
    dialog.className = "ask";
    const text = document.createElement("p");
    text.id = "ask-text";
    text.textContent = question;
    dialog.setAttribute("aria-labelledby", text.id);
    const row = document.createElement("form");
    row.method = "dialog";
    row.className = "confirm-end";
    for (const [value, label, kind] of [
      ["yes", sure, isDanger ? "danger solid" : "primary"],
      ["", say("Cancel"), "quiet"],
    ]) {
      const button = document.createElement("button");
      button.className = `button ${kind}`;
      button.value = value;
      button.textContent = label;
      row.append(button);
    }
    dialog.append(text, row);
    document.body.append(dialog);
    dialog.showModal();
    return new Promise((decide) => {
      dialog.addEventListener("close", () => {
        decide(dialog.returnValue === "yes");
        dialog.remove();
      });
    });
  }

  const agreed = new WeakSet();

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.method === "dialog") return;
    if (form.dataset.live && form.method === "get") {
      event.preventDefault();
      clearTimeout(waiting.get(form));
      refresh(form);
      return;
    }
    if (form.dataset.confirm && !agreed.has(form)) {
      event.preventDefault();
      const button = event.submitter;
      const isSure = await ask(
        form.dataset.confirm,
        button?.textContent.trim() || say("Confirm"),
        button?.classList.contains("danger") ?? false,
      );
      if (isSure) {
        agreed.add(form);
        form.requestSubmit(button);
      }
      return;
    }
    agreed.delete(form);
    if (form.method === "post") showBusy(event);
  });

  /* A second click while the first is under way would post twice. Disabled a moment later: the button's own name and
     value still belong to what is sent. */
  function showBusy(event) {
    setTimeout(() => {
      if (event.defaultPrevented) return; // another script sends it, and looks after its buttons
      for (const button of event.target.querySelectorAll("button")) button.disabled = true;
      event.submitter?.setAttribute("aria-busy", "true");
    });
  }

  // A page that is shown again by "back" was left while its buttons were busy.
  addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("button[aria-busy]")) {
      button.removeAttribute("aria-busy");
      for (const one of button.form?.querySelectorAll("button") ?? []) one.disabled = false;
    }
  });

  document.addEventListener("click", async (event) => {
    const close = event.target.closest("[data-close]");
    if (close) {
      const details = close.closest("details");
      details.open = false;
      details.querySelector("summary").focus();
    }
    const copy = event.target.closest("[data-copy]");
    if (copy) await copyText(copy);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const details = event.target.closest?.("details.confirm[open]");
    if (!details) return;
    details.open = false;
    details.querySelector("summary").focus();
  });

  /* ---------------------------------------------------------------- copy */

  async function copyText(button) {
    const label = button.querySelector("span") ?? button;
    const before = label.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      // No clipboard without https or consent: select the text, so that the keyboard can copy it.
      const text = button.previousElementSibling;
      if (text) getSelection().selectAllChildren(text);
      return;
    }
    label.textContent = say("Copied");
    setTimeout(() => (label.textContent = before), 2000);
  }

  /* ---------------------------------------------------------------- at most so many
     <input type="checkbox" name="sku" data-limit="4">: once four of that name are checked in its form, the others cannot
     be; the server refuses a fifth as well. Boxes that the server closed stay closed. */

  const closedHere = new WeakSet();

  function holdLimit(box) {
    // A form's elements, not what stands within it: a box may be tied to it from elsewhere by form="...".
    const within = box.form?.elements ?? document.querySelectorAll("input[data-limit]");
    const boxes = [...within].filter((one) => one.matches("input[data-limit]") && one.name === box.name);
    const isFull = boxes.filter((one) => one.checked).length >= Number(box.dataset.limit);
    for (const one of boxes) {
      if (isFull && !one.checked && !one.disabled) {
        one.disabled = true;
        closedHere.add(one);
      } else if (!isFull && closedHere.has(one)) {
        one.disabled = false;
        closedHere.delete(one);
      }
    }
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches("input[data-limit]")) holdLimit(event.target);
  });

  /* ---------------------------------------------------------------- what a page, or a part of it, is given at first */

  function prepare(part) {
    for (const box of part.querySelectorAll("input[data-limit]:checked")) holdLimit(box);
  }

  prepare(document);

  // On a phone the operator's pages are a strip that scrolls: the one that is open should be seen in it.
  document.querySelector(".nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  // Where there is room beside the list, its filters stand open.
  const isWide = matchMedia("(min-width: 64rem)");
  const openFilters = () => {
    for (const filters of document.querySelectorAll(".with-aside > .filters")) filters.open = isWide.matches;
  };
  isWide.addEventListener("change", openFilters);
  if (isWide.matches) openFilters();
})();
