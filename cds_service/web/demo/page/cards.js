// Cards as an EHR shows them, and what a clinician can do with one.

import { $, announce, h } from "./dom.js";
import { markdown, outside } from "./markdown.js";

const WORDS = { info: "For information", warning: "Warning", critical: "Critical" };
const ORDER = ["critical", "warning", "info"];

// Show the cards of an answer; `onFeedback(entry)` sends one, `onAccept(suggestion)` applies it.
export function showCards(cards, { onFeedback, onAccept }) {
  const sorted = cards.toSorted((a, b) => ORDER.indexOf(a.indicator) - ORDER.indexOf(b.indicator));
  $("cards").replaceChildren(...(sorted.length
    ? sorted.map((card) => drawn(card, { onFeedback, onAccept }))
    : [h("p", { class: "quiet nothing" }, "No card. The service has nothing to say about this.")]));
  announce(sorted.length
    ? `${sorted.length === 1 ? "One card" : `${sorted.length} cards`}. `
      + sorted.map((card) => `${WORDS[card.indicator]}: ${card.summary}`).join(". ")
    : "No card.");
}

// Show an answer that is no cards: an OperationOutcome, or a failure of ours.
export function showProblem(text) {
  $("cards").replaceChildren(h("div", { class: "problem-box" }, h("strong", {}, "No advice. "), text));
  announce(`No advice. ${text}`);
}

function drawn(card, { onFeedback, onAccept }) {
  const title = `summary-${card.uuid}`;
  const article = h("article", { class: `card ${card.indicator}`, "aria-labelledby": title },
    h("p", { class: "indicator" }, WORDS[card.indicator]),
    h("h3", { id: title }, card.summary),
    h("div", { class: "detail" }, markdown(card.detail ?? "")),
    h("p", { class: "source" }, "Source: ", outside(card.source.url, card.source.label)),
    links(card.links ?? []),
    suggestions(card, { onFeedback, onAccept }),
    override(card, { onFeedback, onDone: (words) => setAside(article, card, words) }));
  return article;
}

function links(all) {
  if (!all.length) return null;
  return h("ul", { class: "links" }, all.map((link) =>
    h("li", {}, link.type === "smart" ? `${link.label} (opens in an EHR only)` : outside(link.url, link.label))));
}

function suggestions(card, { onFeedback, onAccept }) {
  if (!card.suggestions?.length) return null;
  const accept = (suggestion) => async (event) => {
    const button = event.currentTarget;
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    const isKept = await onFeedback({
      card: card.uuid,
      outcome: "accepted",
      acceptedSuggestions: [{ id: suggestion.uuid }],
      outcomeTimestamp: new Date().toISOString(),
    });
    if (isKept) onAccept(suggestion);
    else button.removeAttribute("aria-disabled");
    button.firstChild.textContent = isKept ? "Accepted" : "Accept";
  };
  return h("fieldset", { class: "suggestions" },
    h("legend", {}, "Suggestions"),
    card.suggestions.map((suggestion) => h("div", { class: "suggestion" },
      h("span", { id: `s-${suggestion.uuid}` }, suggestion.label),
      h("button", {
        type: "button", click: accept(suggestion), "aria-describedby": `s-${suggestion.uuid}`,
      }, h("span", {}, "Accept")))));
}

function override(card, { onFeedback, onDone }) {
  const reasons = card.overrideReasons ?? [];
  const reason = h("select", {},
    h("option", { value: "" }, "No reason given"),
    reasons.map((each, index) => h("option", { value: index }, each.display)));
  const comment = h("input", { type: "text", maxlength: 200, autocomplete: "off" });
  const send = async (event) => {
    event.preventDefault();
    const chosen = reason.value === "" ? null : reasons[Number(reason.value)];
    const given = {
      ...(chosen && { reason: chosen }),
      ...(comment.value && { userComment: comment.value }),
    };
    const isKept = await onFeedback({
      card: card.uuid,
      outcome: "overridden",
      ...(Object.keys(given).length > 0 && { overrideReason: given }),
      outcomeTimestamp: new Date().toISOString(),
    });
    if (isKept) onDone(chosen?.display ?? "no reason given");
  };
  return h("form", { class: "override", submit: send },
    h("label", { class: "field wide" }, "Set this card aside because", reason),
    h("label", { class: "field wide" }, "Comment (optional)", comment),
    h("button", { type: "submit" }, h("span", {}, "Set aside")));
}

// Leave one line where the card was, and the focus on it.
function setAside(article, card, words) {
  const left = h("p", { class: "set-aside", tabindex: -1 },
    h("strong", {}, "Set aside: "), words, h("small", {}, card.summary));
  article.replaceWith(left);
  left.focus();
}
