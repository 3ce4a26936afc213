// The page: which patient, what happens in the EHR, and everything that follows from it.

import { showFeedback, showJson, showReasoning, startTabs } from "./behind.js";
import { showCards, showProblem } from "./cards.js";
import { showChart, showWaiting } from "./chart.js";
import { $, announce, h } from "./dom.js";
import { CATALOGUE, hookRequest, newOrder, renewal } from "./requests.js";
import * as service from "./service.js";
import { drawTimeline } from "./timeline.js";

const FIRST_PATIENT = "bereaved-back-pain";
const NOTHING_ASKED = "Nothing has been asked yet: the buttons above call the service.";

// What the page remembers: the chart on the screen, and the orders of accepted suggestions.
const state = { chart: null, waiting: [], calls: 0 };

const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;

async function start() {
  startTabs();
  await listPatients();
  $("patient").addEventListener("change", guarded(openPatient));
  $("controls").addEventListener("change", (event) => {
    if (event.target.name === "viewer") changeViewer();
  });
  $("drug").addEventListener("change", offerFrequencies);
  for (const button of document.querySelectorAll("[data-hook]")) {
    button.addEventListener("click", guarded(() => happen(button.dataset.hook)));
  }
  $("own").addEventListener("submit", (event) => {
    event.preventDefault();
    guarded(sendOwn)();
  });
  $("own-example").addEventListener("click", guarded(insertExample));
  await openPatient();
}

// Say on the page what went wrong, whatever it was.
function guarded(action) {
  return async () => {
    try {
      await action();
    } catch (error) {
      showProblem(error.message);
    }
  };
}

async function listPatients() {
  const patients = await service.patients();
  const story = (id) => id.replaceAll("-", " ").replace(/^./, (first) => first.toUpperCase());
  const name = ({ name: [first] }) => `${first.given.join(" ")} ${first.family}`;
  $("patient").replaceChildren(...patients.map((patient) =>
    h("option", { value: patient.id, selected: patient.id === FIRST_PATIENT },
      `${story(patient.id)}: ${name(patient)}`)));
}

async function openPatient() {
  const patientId = $("patient").value;
  state.chart = await service.chart(patientId);
  state.waiting = [];
  showChart(state.chart, chosen("viewer"));
  showWaiting(state.waiting);
  forgetAnswer();
  const look = hookRequest("patient-view", { patientId, viewer: "practitioner", drafts: [] });
  const explanation = await service.explain(look);
  offerOrders(explanation);
  draw(explanation);
  announce(`The chart of ${state.chart.patient.name} is open.`);
}

// What one user was shown is not left on the screen for the next.
function changeViewer() {
  showChart(state.chart, chosen("viewer"));
  forgetAnswer();
}

function forgetAnswer() {
  state.calls += 1;
  $("answer-facts").textContent = "";
  for (const id of ["cards", "panel-reasoning", "panel-request", "panel-response"]) {
    $(id).replaceChildren(h("p", { class: "quiet" }, NOTHING_ASKED));
  }
}

function draw(explanation) {
  if (explanation === null) return;
  const labels = Object.fromEntries(state.chart.medications.map((each) => [each.reference, each.label]));
  drawTimeline($("timeline"), {
    explanation,
    labels,
    longTermMoreThanDays: state.chart.long_term_more_than_days,
  });
}

// Offer each drug of the chart once, by its newest order and opioids first, then the catalogue.
function offerOrders(explanation) {
  const opioids = new Set(explanation.orders.filter((each) => each.ingredient).map((each) => each.reference));
  const newest = new Map();
  for (const each of state.chart.medications) {
    if (!newest.has(each.label)) newest.set(each.label, each);
  }
  const onChart = [...newest.values()].toSorted((a, b) => opioids.has(b.reference) - opioids.has(a.reference));
  const option = (value, label) => h("option", { value }, label);
  $("drug").replaceChildren(
    h("optgroup", { label: "On this chart" }, onChart.map((each) => option(each.reference, each.label))),
    h("optgroup", { label: "Not on this chart" },
      CATALOGUE.map((product) => option(product.code, product.display))));
  offerFrequencies();
}

function offerFrequencies() {
  const options = isOnChart()
    ? [h("option", { value: "" }, "as before")]
    : [1, 2, 3, 4, 6].map((times) =>
      h("option", { value: times, selected: times === 4 }, `${times} × a day`));
  $("often").replaceChildren(...options);
}

const isOnChart = () => $("drug").value.startsWith("MedicationRequest/");

async function order() {
  const days = Number($("days").value);
  if (isOnChart()) return renewal(await service.fhir($("drug").value), days);
  const product = CATALOGUE.find((each) => each.code === $("drug").value);
  const patientId = state.chart.patient.id;
  return newOrder(product, { patientId, timesADay: Number($("often").value), days });
}

async function happen(hook) {
  const patientId = state.chart.patient.id;
  const drafts = hook === "patient-view" ? [] : [await order(), ...state.waiting.map((each) => each.order)];
  const request = hookRequest(hook, { patientId, viewer: chosen("viewer"), drafts });
  if (chosen("data") === "prefetch") request.prefetch = await service.prefetch(hook, patientId);
  await ask(request);
  if (hook === "order-sign") signed();
}

function signed() {
  state.waiting = [];
  showWaiting(state.waiting);
}

// Call the service, show its answer, and then what lies behind it.
async function ask(request) {
  state.calls += 1;
  const number = state.calls;
  const answer = await service.call(request);
  const explanation = await service.explain(request);
  if (number !== state.calls) return;
  $("answer-facts").textContent = `${request.hook} · ${answer.status} · ${answer.milliseconds} ms`;
  if (answer.status === 200) showCards(answer.body.cards, reactions(answer.service));
  else showProblem(answer.body.issue?.[0]?.details?.text ?? `The service answered ${answer.status}.`);
  showJson("panel-request", `POST /cds-services/${answer.service}`, request, state.chart.withheld);
  showJson("panel-response", `${answer.status}, after ${answer.milliseconds} ms`, answer.body, []);
  showReasoning(explanation);
  draw(explanation);
}

function reactions(serviceId) {
  return {
    onFeedback: async (entry) => {
      const answer = await service.giveFeedback(serviceId, entry);
      showFeedback(entry, answer, await service.feedbackKept());
      announce(answer.status === 200
        ? `Feedback kept: ${entry.outcome}.`
        : `The feedback was not kept: the service answered ${answer.status}.`);
      return answer.status === 200;
    },
    onAccept: (suggestion) => {
      for (const { resource } of suggestion.actions) {
        const order = { ...resource, id: `accepted-${state.waiting.length + 1}` };
        state.waiting.push({ label: suggestion.label, order });
      }
      showWaiting(state.waiting);
    },
  };
}

async function insertExample() {
  const drafts = [await order()];
  const patientId = state.chart.patient.id;
  const request = hookRequest("order-sign", { patientId, viewer: chosen("viewer"), drafts });
  $("own-request").value = JSON.stringify(request, null, 2);
  $("own-request").focus();
}

async function sendOwn() {
  $("own-problem").textContent = "";
  let request;
  try {
    request = JSON.parse($("own-request").value);
  } catch (error) {
    $("own-problem").textContent = `This is not JSON: ${error.message}`;
    return;
  }
  try {
    await ask(request);
    $("advice").focus();
  } catch (error) {
    $("own-problem").textContent = error.message;
  }
}

guarded(start)();
