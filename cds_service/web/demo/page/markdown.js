// The part of Markdown that cards use, as nodes. HTML in it is text, and stays text.

import { h } from "./dom.js";

const INLINE = new RegExp(
  [
    String.raw`\\(?<escaped>[!-/:-@[-\`{-~])`,
    String.raw`\*\*(?<strong>(?:\\.|[^\\])+?)\*\*`,
    String.raw`\*(?<em>(?:\\.|[^\\*\s])(?:(?:\\.|[^\\*])*?(?:\\.|[^\\*\s]))?)\*`,
    "`(?<code>[^`]+)`",
    String.raw`\[(?<label>(?:\\.|[^\\\]])+)\]\((?<url>https?://[^\s()<>]+)\)`,
    "&(?<entity>amp|lt|gt|quot|#39);",
  ].join("|"),
  "gs",
);
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };

// Return the blocks of a text: paragraphs and lists.
export function markdown(text) {
  return text.split(/\n{2,}/).filter((block) => block.trim()).map(block);
}

function block(text) {
  const lines = text.trim().split("\n");
  if (lines.every((line) => /^[-*] /.test(line))) {
    return h("ul", {}, lines.map((line) => h("li", {}, inline(line.slice(2)))));
  }
  return h("p", {}, inline(lines.join("\n")));
}

function inline(text) {
  const nodes = [];
  let read = 0;
  for (const match of text.matchAll(INLINE)) {
    nodes.push(text.slice(read, match.index), node(match.groups));
    read = match.index + match[0].length;
  }
  return [...nodes, text.slice(read)];
}

function node({ escaped, strong, em, code, label, url, entity }) {
  if (escaped) return escaped;
  if (strong) return h("strong", {}, inline(strong));
  if (em) return h("em", {}, inline(em));
  if (code) return h("code", {}, code);
  if (entity) return ENTITIES[entity];
  return outside(url, inline(label));
}

// Return a link that leaves the page, or just its label where it leads nowhere safe.
export function outside(url, ...label) {
  if (!/^https?:\/\//.test(url ?? "")) return h("span", {}, label);
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, label);
}
