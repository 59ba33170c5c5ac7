// Before the first paint: the theme that was chosen on this browser, if any. src/theme.ts writes it.
(function () {
  try {
    var chosen = localStorage.getItem("blueno.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch (error) {
    // Storage is forbidden here: the system's theme is used.
  }
})();
