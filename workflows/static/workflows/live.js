/* Keeps the page of a run or a task up to date: asks for its live part again while the run is unfinished.
   What the server sends is a page of its own making, escaped there. */
(function () {
  "use strict";

  const EVERY = 2000;
  const SLOWEST = 15000;
  const page = document.querySelector("[data-live]");
  if (!page) return;
  const region = page.querySelector(".live-region");
  const log = region.querySelector("pre.log");
  if (log) log.scrollTop = log.scrollHeight; // the end is what one comes for
  const note = page.querySelector(".live-note");
  const usual = note.dataset.usual;
  let wait = EVERY;
  let last = null;
  let timer = null;

  function again(delay) {
    window.clearTimeout(timer);
    timer = window.setTimeout(ask, delay);
  }

  /* Nothing is replaced under the reader's hands: a selection or a focused link stays where it is. */
  function busy() {
    const selection = document.getSelection();
    const selecting = selection && !selection.isCollapsed && region.contains(selection.anchorNode);
    const focused = document.activeElement;
    return selecting || (focused && focused !== document.body && region.contains(focused) && focused.matches("a, summary"));
  }

  function show(html) {
    const open = new Map();
    region.querySelectorAll("details[id]").forEach((part) => open.set(part.id, part.open));
    const old = region.querySelector("pre.log");
    const end = old ? old.scrollHeight - old.scrollTop - old.clientHeight : 0;
    const top = old ? old.scrollTop : 0;
    const across = Array.from(region.querySelectorAll(".scroll"), (part) => part.scrollLeft);
    region.innerHTML = html;
    open.forEach((is, id) => {
      const part = document.getElementById(id);
      if (part) part.open = is;
    });
    region.querySelectorAll(".scroll").forEach((part, index) => { part.scrollLeft = across[index] || 0; });
    const fresh = region.querySelector("pre.log");
    if (fresh) fresh.scrollTop = end < 30 ? fresh.scrollHeight : top;
  }

  async function ask() {
    if (document.hidden || page.closest("[hidden]") || busy()) return again(EVERY);
    try {
      const answer = await fetch(page.dataset.url, { credentials: "same-origin", redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 403) {
        note.textContent = page.dataset.left;
        return undefined;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      const html = await answer.text();
      if (html !== last) {
        show(html);
        last = html;
      }
      wait = EVERY;
      page.dataset.live = "yes";
      note.textContent = usual;
      if (answer.headers.get("X-Celeriac-Live") !== "yes") {
        note.textContent = "";
        page.dataset.live = "no";
        return undefined;
      }
    } catch {
      wait = Math.min(wait * 2, SLOWEST);
      note.textContent = page.dataset.lost;
    }
    return again(wait);
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden && page.dataset.live === "yes") again(0); });
  /* The front end saw the run move, which may have been opened again: ask once more, and go on if there is more. */
  document.addEventListener("celeriac:moved", () => again(0));
  if (page.dataset.live === "yes") again(EVERY);
})();
