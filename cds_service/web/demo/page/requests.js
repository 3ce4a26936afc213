// Hook calls as an EHR builds them.

import { FHIR } from "./service.js";

const RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm";
const UCUM = "http://unitsofmeasure.org";

// Orders that are on no chart.
export const CATALOGUE = [
  { code: "1049621", display: "oxycodone hydrochloride 5 MG Oral Tablet" },
  { code: "892582", display: "morphine sulfate 15 MG Oral Tablet" },
  { code: "835603", display: "tramadol hydrochloride 50 MG Oral Tablet" },
  { code: "351266", display: "buprenorphine 2 MG / naloxone 0.5 MG Sublingual Tablet" },
  { code: "197806", display: "ibuprofen 600 MG Oral Tablet" },
];

const VIEWERS = {
  practitioner: () => "Practitioner/keyhole",
  patient: (patientId) => `Patient/${patientId}`,
  relative: () => "RelatedPerson/keyhole",
};

// Return a call without data; `drafts` are the orders of its context, the first the one chosen.
export function hookRequest(hook, { patientId, viewer, drafts }) {
  return {
    hook,
    hookInstance: crypto.randomUUID(),
    fhirServer: FHIR,
    context: {
      userId: VIEWERS[viewer](patientId),
      patientId,
      ...(hook === "order-select" && { selections: [`MedicationRequest/${drafts[0].id}`] }),
      ...(hook.startsWith("order-") && { draftOrders: bundle(drafts) }),
      ...(hook === "medication-refill" && { medications: bundle(drafts.slice(0, 1)) }),
    },
  };
}

// Return a draft that renews an order of the record, for `days` days.
export function renewal(order, days) {
  const { id, meta, status, authoredOn, dispenseRequest, dosageInstruction, ...kept } = order;
  return {
    ...kept,
    id: "order-1",
    status: "draft",
    intent: "order",
    authoredOn: today(),
    ...(dosageInstruction && { dosageInstruction: dosageInstruction.map(withoutBounds) }),
    dispenseRequest: supply(days),
  };
}

// Return a draft for a product of the catalogue, one unit `timesADay` times a day.
export function newOrder(product, { patientId, timesADay, days }) {
  return {
    resourceType: "MedicationRequest",
    id: "order-1",
    status: "draft",
    intent: "order",
    subject: { reference: `Patient/${patientId}` },
    authoredOn: today(),
    medicationCodeableConcept: {
      text: product.display,
      coding: [{ system: RXNORM, ...product }],
    },
    dosageInstruction: [
      {
        timing: { repeat: { frequency: timesADay, period: 1, periodUnit: "d" } },
        doseAndRate: [
          { doseQuantity: { value: 1, unit: "tablet", system: UCUM, code: "{tbl}" } },
        ],
      },
    ],
    dispenseRequest: supply(days),
  };
}

function bundle(resources) {
  return { resourceType: "Bundle", entry: resources.map((resource) => ({ resource })) };
}

function withoutBounds(dosage) {
  const { boundsPeriod, ...repeat } = dosage.timing?.repeat ?? {};
  return dosage.timing?.repeat ? { ...dosage, timing: { ...dosage.timing, repeat } } : dosage;
}

function supply(days) {
  return { expectedSupplyDuration: { value: days, unit: "days", system: UCUM, code: "d" } };
}

// Return the day it is here, as the browser's user sees it.
function today() {
  const now = new Date();
  return new Date(now - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}
