// What the checks of a mode find in a reply: one line when all is well, the reasons where something fails.
import { el } from "./dom.js";
import { t } from "./strings.js";

// An empty place at once, filled when the server has counted: the reply itself never waits for it.
export function buildChecks(item, page) {
  const place = el("div", { class: "checks", hidden: true });
  const ask = () => fill(place, item, page);
  if ("requestIdleCallback" in window) requestIdleCallback(ask, { timeout: 500 });
  else setTimeout(ask, 50);
  return place;
}

async function fill(place, item, page) {
  let found;
  try {
    found = await page.server.checks({ ...page.where(), id: item.id });
  } catch {
    place.remove(); // the server is away; the page says so elsewhere, and asks anew when it shows the reply again
    return;
  }
  const { findings, repairable } = found;
  if (!findings.length) {
    place.remove();
    return;
  }
  const failing = findings.filter((finding) => !finding.passed).length;
  const fold = el("details", { open: failing > 0 },
    el("summary", { class: failing ? "fails" : "passes" }, failing ? t("checks_failing", { failing, all: findings.length }) : t("checks_passing", { all: findings.length })),
    el("ul", {}, ...findings.map((finding) => el("li", { class: finding.passed ? "passes" : "fails" },
      el("span", { class: "sr-only" }, t(finding.passed ? "check_passed" : "check_failed")), finding.text))));
  place.append(fold);
  if (repairable) {
    place.append(el("button", { type: "button", class: "text-button repair", "data-act": "repair", title: t("repair_hint"),
      onclick: () => page.act("repair", { id: item.id }) }, t("repair")));
  }
  place.hidden = false;
  page.transcript?.settle?.();
}
