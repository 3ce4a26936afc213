// Every call the page makes: to the FHIR endpoint, to the service, and to what is behind the page.

export const FHIR = `${location.origin}/fhir`;

const SERVICES = "/cds-services";

let known = [];

// Read discovery, once.
export async function services() {
  if (!known.length) known = (await read(SERVICES)).services;
  return known;
}

export async function patients() {
  const bundle = await read(`${FHIR}/Patient?_count=200`);
  return bundle.entry.map((entry) => entry.resource);
}

export const fhir = (reference) => read(`${FHIR}/${reference}`);
export const chart = (patientId) => read(`/try/chart/${encodeURIComponent(patientId)}`);
// The service writes its ledger behind the answer: give it a moment to know the card.
export const feedbackKept = async () => {
  for (let tries = 10; ; tries -= 1) {
    const { feedback } = await read("/try/feedback");
    if (!tries || feedback.every((each) => each.rule_id)) return feedback;
    await new Promise((resume) => setTimeout(resume, 300));
  }
};

// Return why the service answers the request as it does; null when nothing is looked at.
export async function explain(request) {
  const { status, body } = await post("/try/explain", request);
  return status === 200 ? body.explanation : null;
}

// Call the service of the request's hook.
export async function call(request) {
  const service = (await services()).find((each) => each.hook === request?.hook);
  if (!service) throw new Error("The request needs a hook that one of the services is called for.");
  return { service: service.id, ...(await post(`${SERVICES}/${service.id}`, request)) };
}

export const giveFeedback = (service, entry) =>
  post(`${SERVICES}/${service}/feedback`, { feedback: [entry] });

// Fill the prefetch templates of a hook, as an EHR does before it calls.
export async function prefetch(hook, patientId) {
  const { prefetch: templates } = (await services()).find((each) => each.hook === hook);
  const filled = await Promise.all(
    Object.entries(templates).map(async ([key, template]) => {
      return [key, await fhir(template.replaceAll("{{context.patientId}}", patientId))];
    }),
  );
  return Object.fromEntries(filled);
}

async function read(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${new URL(response.url).pathname}: ${response.status}`);
  return response.json();
}

async function post(url, body) {
  const started = performance.now();
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  const milliseconds = Math.round(performance.now() - started);
  return { status: response.status, body: answer, milliseconds };
}
