// The opioid orders as the service understood them: its reasoning, drawn. Nothing is counted here.

import { h, svg } from "./dom.js";

const DAY = 86_400_000;
const LANE = 38;
const BAR = 14;
const TOP = 34;

// Draw the timeline into `place`, again whenever its width changes.
export function drawTimeline(place, { explanation, labels, longTermMoreThanDays }) {
  const orders = explanation.orders.filter((order) => order.ingredient && order.start);
  const story = told(explanation, longTermMoreThanDays);
  const figure = h("figure", { class: "timeline" });
  const draw = () => {
    const width = Math.floor(place.clientWidth);
    if (!width || !orders.length) return;
    const drawing = picture({ explanation, orders, width, story, longTermMoreThanDays });
    figure.replaceChildren(drawing, h("figcaption", {}, story), key(explanation, drawing));
  };
  place.replaceChildren(
    orders.length ? figure : h("p", { class: "quiet" }, "No opioid order with a date is on file."),
    orders.length ? table(orders, labels) : "",
  );
  draw();
  watcher?.disconnect();
  watcher = new ResizeObserver(draw);
  watcher.observe(place);
}

let watcher;

const at = (day) => Date.parse(`${day}T00:00:00Z`);
const said = (time) =>
  new Date(time).toLocaleDateString("en-GB", {
    day: "numeric", month: "short", year: "numeric", timeZone: "UTC",
  });

// Say in one or two sentences what the drawing shows.
function told({ runs, exposure, as_of: asOf }, limit) {
  const run = runs.find((each) => each.is_current);
  if (!run) {
    const last = runs.at(-1);
    return last
      ? `No current therapy: the last run ended on ${said(at(last.last))}.`
      : "No past order counts as opioid therapy for pain.";
  }
  const share = Math.round(Number(run.covered_share) * 100);
  const length = run.span_days > limit ? `more than ${limit}` : `not more than ${limit}`;
  const verdict = exposure.is_long_term
    ? "long-term"
    : exposure.possibly_long_term.length ? "possibly long-term" : "not long-term";
  const estimated = exposure.estimated_orders
    ? ` Estimated from ${exposure.estimated_orders} orders: their supply is not recorded.`
    : "";
  return `Current run up to ${said(at(asOf))}: ${run.span_days} days since ${said(at(run.first))} `
    + `(${length}), ${share} % covered: ${verdict}.${estimated}`;
}

function picture({ explanation, orders, width, story, longTermMoreThanDays }) {
  const today = at(explanation.as_of);
  const run = explanation.runs.find((each) => each.is_current);
  const mark = run && at(run.first) + longTermMoreThanDays * DAY;
  const bars = orders.map((order) => bar(order, today));
  const first = Math.min(...bars.map((each) => each.from)) - 6 * DAY;
  const last = Math.max(today + 21 * DAY, (mark ?? 0) + 10 * DAY, ...bars.map((each) => each.to));
  const x = (time) => ((time - first) / (last - first)) * width;
  const lanes = [...new Set(bars.map((each) => each.lane))];
  const floor = TOP + lanes.length * LANE;
  const height = floor + LANE + 22;
  return svg(
    "svg",
    { role: "img", "aria-label": `Timeline. ${story}`, width, height, viewBox: `0 0 ${width} ${height}` },
    hatching(),
    months(first, last, width).map(([time, name]) => [
      svg("line", { class: "tick", x1: x(time), x2: x(time), y1: TOP - 6, y2: height - 18 }),
      svg("text", { class: "small", x: x(time) + 3, y: height - 6 }, name),
    ]).flat(),
    lanes.map((lane, row) => {
      const y = TOP + row * LANE;
      return [
        svg("text", { class: "lane", x: 0, y: y + 10 }, lane),
        bars.filter((each) => each.lane === lane).map((each) =>
          svg("rect", {
            class: `order ${each.kind}`, rx: 3,
            x: x(each.from), y: y + 15, width: Math.max(3, x(each.to) - x(each.from) - 1), height: BAR,
          }, svg("title", {}, each.words))),
      ].flat();
    }).flat(),
    svg("text", { class: "lane", x: 0, y: floor + 10 }, "days covered"),
    explanation.runs.map((each) => runStrip(each, orders, x, floor + 15, mark)).flat(),
    upright({ time: today, class: "today", words: "today", x, width, height, row: 11 }),
    mark && upright({
      time: mark, class: "mark", words: `${longTermMoreThanDays} days`, x, width, height, row: 26,
    }),
  );
}

// Return where an order lies: what it covered, or what it would supply, or just its start.
function bar(order, today) {
  const start = at(order.start);
  const [from, to] = order.covered
    ? order.covered.split(" to ").map(at)
    : [start, start + ((order.supply_days ?? 7) - 1) * DAY];
  const kind = order.is_draft
    ? "draft"
    : !order.counts ? "left-out" : order.supply_from === "unknown" ? "estimated" : "counted";
  const ends = kind === "left-out" ? Math.min(to, today) : to;
  return {
    from, to: Math.max(ends, from) + DAY, kind,
    lane: order.ingredient,
    words: `${order.ingredient}: ${said(from)} to ${said(to)}${order.why_not ? `, ${order.why_not}` : ""}`,
  };
}

// The run as a hollow bar with its covered days filled; what lies beyond the mark is told apart.
function runStrip(run, orders, x, y, mark) {
  const covered = union(orders
    .filter((order) => order.counts && order.covered)
    .map((order) => order.covered.split(" to ").map(at))
    .filter(([from]) => from >= at(run.first) && from <= at(run.last)));
  const pieces = covered.flatMap(([from, to]) => {
    const end = to + DAY;
    if (!run.is_current || mark <= from) return [[from, end, run.is_current ? "beyond" : "past"]];
    return mark < end ? [[from, mark, "within"], [mark, end, "beyond"]] : [[from, end, "within"]];
  });
  const box = (from, end, kind) => svg("rect", {
    class: `run ${kind}`, x: x(from), y, width: Math.max(2, x(end) - x(from)), height: BAR,
  });
  return [box(at(run.first), at(run.last) + DAY, "gap"), ...pieces.map((piece) => box(...piece))];
}

function union(periods) {
  const joined = [];
  for (const [from, to] of periods.toSorted((a, b) => a[0] - b[0])) {
    const before = joined.at(-1);
    if (before && from <= before[1] + DAY) before[1] = Math.max(before[1], to);
    else joined.push([from, to]);
  }
  return joined;
}

// A dated line with its words in a row of their own, on the side where there is room for them.
function upright({ time, words, x, width, height, row, class: kind }) {
  const here = x(time);
  const goesLeft = here > width - 60;
  return svg("g", { class: kind },
    svg("line", { x1: here, x2: here, y1: 2, y2: height - 18 }),
    svg("text", { x: here + (goesLeft ? -4 : 4), y: row, "text-anchor": goesLeft ? "end" : "start" }, words));
}

// Return the months to name, as many as the width has room for.
function months(first, last, width) {
  const all = [];
  const start = new Date(first);
  for (let month = start.getUTCMonth() + 1; ; month += 1) {
    const time = Date.UTC(start.getUTCFullYear(), month, 1);
    if (time >= last) break;
    all.push(time);
  }
  const step = [1, 2, 3, 6, 12, 24].find((each) => all.length / each <= width / 62) ?? 48;
  return all
    .filter((time) => new Date(time).getUTCMonth() % Math.min(step, 12) === 0)
    .filter((_, index) => step <= 12 || index % (step / 12) === 0)
    .map((time) => [time, named(time, step)]);
}

function named(time, step) {
  const date = new Date(time);
  const year = String(date.getUTCFullYear());
  if (step >= 12) return year;
  const month = date.toLocaleDateString("en-GB", { month: "short", timeZone: "UTC" });
  return date.getUTCMonth() === 0 ? year : month;
}

function hatching() {
  return svg("defs", {},
    svg("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("rect", { class: "hatch-ground", width: 6, height: 6 }),
      svg("rect", { class: "hatch-line", width: 2.5, height: 6 })));
}

const KEY = {
  "order counted": "order",
  "order estimated": "order, length estimated",
  "order left-out": "order that does not count",
  "order draft": "order being written",
  "run within": "covered days",
  "run beyond": "covered days beyond the mark",
  "run past": "covered days of a past run",
  "run gap": "days not covered",
};

// Explain what the drawing holds, and nothing else.
function key({ runs }, drawing) {
  const isDrawn = (kind) => drawing.querySelector(`.${kind.replace(" ", ".")}`)
    && (kind !== "run gap" || runs.some((run) => run.covered_days < run.span_days));
  return h("ul", { class: "key" },
    Object.entries(KEY).filter(([kind]) => isDrawn(kind)).map(([kind, words]) => h("li", {},
      svg("svg", { width: 18, height: 10, "aria-hidden": "true" },
        svg("rect", { class: kind, x: 1, y: 1, width: 16, height: 8, rx: 2 })),
      words)));
}

function table(orders, labels) {
  const head = ["Order", "Start", "Covered", "Counts"];
  return h("details", {}, h("summary", {}, "The same as a table"),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Opioid orders" },
      h("table", {},
        h("thead", {}, h("tr", {}, head.map((title) => h("th", { scope: "col" }, title)))),
        h("tbody", {}, orders.map((order) => h("tr", {},
          h("th", { scope: "row" }, labels[order.reference] ?? order.ingredient),
          h("td", {}, order.start),
          h("td", {}, order.covered ?? (order.supply_days ? `${order.supply_days} days` : "not known")),
          h("td", {}, order.is_draft ? "being written" : order.counts ? "yes" : `no: ${order.why_not}`)))))));
}
