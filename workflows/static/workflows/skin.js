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
})();
