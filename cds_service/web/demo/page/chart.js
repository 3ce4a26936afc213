// The chart: who the patient is, and what is on file, in the words the server chose for a screen.

import { $, h } from "./dom.js";

const SENSITIVE = "Sensitive history on file";
const STATUS = { active: "", completed: "ended" };

// Show a chart. Nothing tells a patient or relative that a sensitive history is on file.
export function showChart(chart, viewer) {
  const { patient, problems, medications, screens, care } = chart;
  $("patient-name").textContent = patient.name;
  $("patient-facts").replaceChildren(...separated([
    patient.age !== null && `${patient.age} years`,
    patient.gender,
    patient.birth_date && `born ${patient.birth_date}`,
    patient.is_deceased && "deceased",
  ]));
  const named = problems.map(line);
  if (chart.has_sensitive_history && viewer === "practitioner") {
    named.unshift(h("li", { class: "sensitive" }, h("span", {}, SENSITIVE)));
  }
  fill("problems", named);
  fill("medications", grouped(medications).map(line));
  fill("screens", screens.map(line));
  fill("care", care.map(line));
}

// Show what accepted suggestions left waiting.
export function showWaiting(waiting) {
  $("waiting").hidden = !waiting.length;
  $("waiting-orders").replaceChildren(...waiting.map(({ label }) => line({ label })));
}

// One line for each drug and dose, with the newest order's status and how many there are.
function grouped(medications) {
  const groups = Map.groupBy(medications, (each) => `${each.label}\n${each.dosage}\n${each.status}`);
  return [...groups.values()].map((orders) => ({
    ...orders[0],
    note: orders.length > 1 ? `${orders.length} orders` : "",
  }));
}

function fill(id, lines) {
  $(id).replaceChildren(...(lines.length ? lines : [h("li", { class: "quiet" }, "None on file")]));
}

function line({ label, value, dosage, note, since, status }) {
  const facts = separated([dosage, note, STATUS[status] ?? status, since]);
  return h("li", {},
    h("span", {}, label, value && h("strong", {}, ` ${value}`)),
    facts.length > 0 && h("small", {}, facts));
}

// Put dots between the facts that are known; a line breaks between facts only.
function separated(facts) {
  return facts.filter(Boolean).flatMap((fact, n) => [n ? " · " : "", h("span", { class: "fact" }, fact)]);
}
