/* The sidebar: shown or not, on wide screens remembered, on narrow ones over the page; its folded groups remembered. */
(function () {
  "use strict";

  const side = document.getElementById("side");
  const button = document.getElementById("side-toggle");
  const root = document.documentElement;
  const narrow = window.matchMedia("(max-width: 900px)");
  const HIDDEN = "celeriac.side.hidden";

  function shown() {
    return narrow.matches ? root.dataset.side === "over" : root.dataset.side !== "none";
  }

  function show(is) {
    if (narrow.matches) root.dataset.side = is ? "over" : "";
    else root.dataset.side = is ? "" : "none";
    button.setAttribute("aria-expanded", String(is));
  }

  function remembered() {
    show(!narrow.matches && localStorage.getItem(HIDDEN) !== "yes");
  }

  if (side && button) {
    remembered();
    narrow.addEventListener("change", remembered);
    button.addEventListener("click", () => {
      const is = !shown();
      show(is);
      if (!narrow.matches) localStorage.setItem(HIDDEN, is ? "no" : "yes");
    });
    side.querySelectorAll("details[data-fold]").forEach((fold) => {
      const key = `celeriac.side.fold.${fold.dataset.fold}`;
      if (localStorage.getItem(key) === "open") fold.open = true;
      fold.querySelector("summary").addEventListener("click", () => localStorage.setItem(key, fold.open ? "" : "open"));
    });
  }

  /* A menu closes when one clicks beside it or presses Escape. */
  const menus = () => document.querySelectorAll("details.user-menu[open]");
  document.addEventListener("click", (event) => menus().forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; }));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menus().forEach((menu) => { menu.open = false; menu.querySelector("summary").focus(); });
    if (narrow.matches && shown() && button) { show(false); button.focus(); }
  });

  /* Django's own forms: the two halves of a moment have text beside them and no label, tooltips have a name and no role. */
  window.addEventListener("load", () => {
    document.querySelectorAll("p.datetime input:not([aria-label])").forEach((half) => {
      const label = half.closest(".form-row, .fieldBox")?.querySelector("legend, label")?.textContent ?? "";
      const own = [...half.parentNode.childNodes].slice(0, [...half.parentNode.childNodes].indexOf(half));
      const beside = own.filter((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()).at(-1)?.textContent ?? "";
      half.setAttribute("aria-label", `${label} ${beside}`.replace(/:/g, " ").replace(/\s+/g, " ").trim());
    });
    document.querySelectorAll("span.help-tooltip[aria-label]:not([role])").forEach((tip) => tip.setAttribute("role", "img"));
  });
})();
