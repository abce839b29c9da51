// Light, dark, or like the system: the choice is kept on the server; this tab's copy avoids a flash at the next load.
const system = window.matchMedia("(prefers-color-scheme: dark)");
let chosen = localStorage.getItem("inkglass-theme") || "system";

function paint() {
  const dark = chosen === "dark" || (chosen === "system" && system.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  if (document.body && document.body.classList.contains("dark") !== dark) document.body.classList.toggle("dark", dark);
}

export function applyTheme(name) {
  chosen = name;
  localStorage.setItem("inkglass-theme", name);
  paint();
}

system.addEventListener("change", paint);
new MutationObserver(paint).observe(document.body, { attributes: true, attributeFilter: ["class"] });
paint();
