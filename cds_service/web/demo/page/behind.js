// What an EHR does not show: request, answer, reasoning, and the feedback the service has kept.

import { $, h } from "./dom.js";

const LEFT_OUT = "left out: no screen shows it";

// Make the tabs work as tabs do: arrows move, the chosen one alone is in the tab order.
export function startTabs() {
  const tabs = [...$("tabs").children];
  $("tabs").addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) choose(tabs, tab);
  });
  $("tabs").addEventListener("keydown", (event) => {
    const now = tabs.indexOf(event.target);
    const next = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: -1 }[event.key];
    if (now < 0 || next === undefined) return;
    event.preventDefault();
    choose(tabs, tabs.at(next % tabs.length));
    tabs.at(next % tabs.length).focus();
  });
}

function choose(tabs, chosen) {
  for (const tab of tabs) {
    tab.setAttribute("aria-selected", tab === chosen);
    tab.tabIndex = tab === chosen ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
  }
}

// Show JSON, without the content of the resources that no screen may name.
export function showJson(panel, title, value, withheld) {
  const text = JSON.stringify(value, (_, part) => discreet(part, withheld), 2);
  $(panel).replaceChildren(
    h("p", { class: "quiet" }, title),
    h("pre", { class: "json", tabindex: 0, role: "region", "aria-label": title }, ...coloured(text)));
}

function discreet(part, withheld) {
  if (!withheld.includes(`${part?.resourceType}/${part?.id}`)) return part;
  return { resourceType: part.resourceType, id: part.id, text: LEFT_OUT };
}

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g;

function coloured(text) {
  const nodes = [];
  let read = 0;
  for (const match of text.matchAll(TOKEN)) {
    const kind = match[2] ? "name" : match[1] ? "text" : "value";
    nodes.push(text.slice(read, match.index), h("span", { class: kind }, match[0]));
    read = match.index + match[0].length;
  }
  return [...nodes, text.slice(read)];
}

// Show why the service answered as it did; `reasoning` is null when nothing was looked at.
export function showReasoning(reasoning) {
  if (reasoning === null) {
    const why = "Nothing was looked at: the user is no practitioner, or the request was refused.";
    $("panel-reasoning").replaceChildren(h("p", { class: "quiet" }, why));
    return;
  }
  const said = reasoning.outcome.map((one) => `${one.rule} (${one.indicator})`).join(", ");
  $("panel-reasoning").replaceChildren(
    h("p", { class: "outcome" }, `${reasoning.hook} on ${reasoning.as_of}: ${said || "nothing is said"}`),
    h("div", { class: "reasoning" },
      SECTIONS.map(([title, name]) => section(title, [reasoning[name]].flat(), reasoning[name]))),
    h("p", { class: "quiet" }, `Knowledge ${reasoning.knowledge.version} (${reasoning.knowledge.digest}). `
      + `Read and of no concern to any rule: ${reasoning.unrelated.length} resources.`));
}

const SECTIONS = [
  ["Rules, in order", "rules"],
  ["Exposure", "exposure"],
  ["Social pain", "social_pain"],
  ["Exclusions", "exclusions"],
  ["Daily dose", "dose"],
  ["Physical pain", "physical_pain"],
  ["Runs of covered days", "runs"],
  ["Orders", "orders"],
  ["Evidence", "evidence"],
  ["Records that may exclude", "exclusion_findings"],
  ["Dose, line by line", "dose_lines"],
  ["What could not be read", "gaps"],
];

function section(title, rows, content) {
  if (!rows.length) return h("section", {}, h("h3", {}, title), h("p", { class: "quiet" }, "None"));
  if (typeof rows[0] === "string") return h("section", {}, h("h3", {}, title), h("p", {}, rows.join(", ")));
  const isTable = Array.isArray(content);
  return h("section", { class: isTable ? "wide" : "" }, h("h3", {}, title),
    isTable ? table(title, rows) : facts(rows[0]));
}

function facts(row) {
  return h("dl", {}, Object.entries(row).map(([name, value]) =>
    h("div", {}, h("dt", {}, words(name)), h("dd", {}, cell(value)))));
}

function table(title, rows) {
  const names = Object.keys(rows[0]);
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title },
    h("table", {},
      h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, words(name))))),
      h("tbody", {}, rows.map((row) => h("tr", { class: row.applies && row.on_this_hook ? "applies" : "" },
        names.map((name) => h("td", {}, cell(row[name]))))))));
}

const words = (name) => name.replaceAll("_", " ");

function cell(value) {
  if (value === null || value === "") return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return Array.isArray(value) ? value.join(", ") || "–" : String(value);
}

// Show what the service answered to feedback, and what it has kept since it was started.
export function showFeedback(sent, answer, kept) {
  $("feedback-answer").textContent =
    `Sent: ${sent.outcome}. The service answered ${answer.status} ${JSON.stringify(answer.body)}.`;
  $("tab-feedback").textContent = `Feedback (${kept.length})`;
  const rows = kept.map((entry) => ({
    "kept at": entry.outcome_at.slice(0, 19).replace("T", " "),
    rule: entry.rule_id,
    outcome: entry.outcome,
    "suggestion or reason": entry.accepted_suggestions.join(", ") || entry.reason,
    hook: entry.hook,
    user: entry.user_reference,
  }));
  $("feedback-kept").replaceChildren(section("Kept by the service, newest first", rows, rows));
}
