/* On the page of a periodic task: says in words what the chosen crontab means. */
(function () {
  "use strict";

  const data = document.getElementById("readable-crontabs");
  const select = document.getElementById("id_crontab");
  const row = document.querySelector(".field-crontab_translation");
  if (!data || !select) return;
  const words = JSON.parse(data.textContent);
  if (row) row.hidden = true;
  const said = document.createElement("div");
  said.className = "help";
  said.setAttribute("role", "status");
  (select.closest(".form-row") || select.parentElement).append(said);

  function say() {
    said.textContent = words[select.value] || "";
  }

  select.addEventListener("change", say);
  say();
})();
