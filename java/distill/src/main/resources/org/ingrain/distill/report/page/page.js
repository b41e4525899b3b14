"use strict";
// Browses the lists in the page. All content is inserted as text, never as markup, because it comes from a model.
const PER_PAGE = 25;

function element(tag, options, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options || {})) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined) made.append(child);
  return made;
}

async function unpack(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), c => c.charCodeAt(0));
  const text = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  return text ? text.trimEnd().split("\n").map(line => JSON.parse(line)) : [];
}

const chip = (text, kind) => element("span", {class: "chip" + (kind ? " " + kind : "")}, text);
const count = (n, one, many) => n.toLocaleString("en") + " " + (n === 1 ? one : many);
const verdict = right => right === true ? chip("\u2713 right", "right")
  : right === false ? chip("\u2717 wrong", "wrong") : null;
const distinct = values => [...new Set(values.filter(value => value !== undefined))].sort();

function votes(all) {
  const most = Math.max(1, ...all.map(vote => vote.votes));
  return element("div", {class: "votes"}, all.slice(0, 12).map(vote => [element("span", {class: "name"}, vote.answer),
    element("span", {class: "bar", "aria-hidden": "true"}, element("i", {style: "width:" + 100 * vote.votes / most + "%"})),
    element("span", {}, String(vote.votes))]), all.length > 12 ? element("span", {}, `and ${all.length - 12} more`) : null);
}

function sample(answer, name, chosen) {
  const finish = {length: "cut at the maximum length", "prompt-too-long": "prompt too long", "blank-prompt": "blank prompt"}[answer.finish];
  const tokens = answer.tokens + answer.steps.reduce((sum, step) => sum + step.tokens, 0);
  return element("div", {class: "sample" + (chosen ? " chosen" : "")},
    element("div", {class: "top"}, element("b", {}, name), answer.answer === undefined ? chip("no answer") : chip("answer: " + answer.answer),
      chosen ? chip("trained on", "kept") : null, finish ? chip(finish) : null, element("span", {class: "note"}, count(tokens, "token", "tokens"))),
    answer.steps.map(step => [element("div", {class: "step"}, `${step.step}, ${count(step.tokens, "token", "tokens")}`
      + (step.finish === "length" ? ", cut at the maximum length" : "")), element("pre", {}, step.text)]),
    answer.steps.length ? element("div", {class: "step"}, `answer, ${count(answer.tokens, "token", "tokens")}`) : null,
    element("pre", {}, answer.text));
}

const ledger = {
  filters: items => [
    {name: "Verdict", of: item => item.row.verdict, values: distinct(items.map(item => item.row.verdict))},
    {name: "Reason", of: item => item.row.reason, values: distinct(items.map(item => item.row.reason))},
    {name: "Label", of: item => item.row.right === undefined ? "gold unknown or no label" : item.row.right ? "right" : "wrong",
      values: ["right", "wrong", "gold unknown or no label"]},
    {name: "Decided", of: item => item.row.decidedEarly ? "early" : "by all votes", values: distinct(items.map(item => item.row.decidedEarly ? "early" : "by all votes"))},
    {name: "Category", of: item => item.row.category, values: distinct(items.map(item => item.row.category))}],
  orders: [["as in the file", () => 0], ["smallest margin", (a, b) => a.row.marginAtLeast - b.row.marginAtLeast], ["largest margin", (a, b) => b.row.marginAtLeast - a.row.marginAtLeast],
    ["most tokens", (a, b) => b.row.tokens - a.row.tokens]],
  words: item => [item.row.id, item.row.question, item.row.gold, item.row.label, item.row.detail, ...item.votes.map(vote => vote.answer)],
  line: item => [element("span", {class: "q"}, item.row.question), element("span", {class: "tags"},
    item.row.label === undefined ? null : chip("label: " + item.row.label),
    chip(item.row.verdict, item.row.verdict === "kept" ? "kept" : ""), verdict(item.row.right)),
    element("span", {class: "sub"}, `${item.row.reason}: ${item.row.detail}`)],
  open: (item, texts) => [
    element("p", {class: "note"}, `id ${item.row.id}` + (item.row.gold === undefined ? "" : ` \u00b7 gold answer: ${item.row.gold}`)
      + ` \u00b7 margin ${item.row.decidedEarly ? "at least " : ""}${item.row.marginAtLeast} \u00b7 ${item.row.drawn} of ${count(item.row.planned, "answer", "answers")} drawn \u00b7 ${count(item.row.tokens, "token", "tokens")}`),
    item.votes.length ? [element("h4", {}, item.row.decidedEarly ? "Votes when decided" : "Votes"), votes(item.votes)] : null,
    texts ? [texts.question !== item.row.question ? [element("h4", {}, "Question"), element("pre", {}, texts.question)] : null,
      texts.orders.map((order, number) => [element("h4", {}, texts.orders.length === 1 ? "Samples" : "Samples, order " + order.id),
        order.answers.map(answer => sample(answer, answer.path, texts.targets.some(target => target.order === number && target.path === answer.path)))])] : null]
};

function answers(choice) {
  const at = choice.roles.indexOf("system-1"), last = choice.roles.indexOf("distilled");
  const results = [];
  choice.titles.forEach((title, i) => results.push([title + ": right", item => item.arms[i].right], [title + ": wrong", item => !item.arms[i].right],
    [title + ": no answer", item => item.arms[i].answer === undefined]));
  if (at >= 0 && last >= 0) {
    results.unshift(["gained: System 1 wrong, distilled right", item => !item.arms[at].right && item.arms[last].right],
      ["lost: System 1 right, distilled wrong", item => item.arms[at].right && !item.arms[last].right]);
  }
  return {
    filters: () => [{name: "Result", tests: results}],
    orders: [["as in the file", () => 0]],
    words: item => [item.id, item.question, item.gold, ...item.arms.map(arm => arm.answer)],
    line: item => [element("span", {class: "q"}, item.question), element("span", {class: "tags"}, item.gold === undefined ? null : chip("gold: " + item.gold)),
      element("span", {class: "sub tags", style: "justify-content:flex-start;max-width:none"},
        item.arms.map((arm, i) => chip(`${arm.right ? "\u2713" : "\u2717"} ${choice.titles[i]}`, arm.right ? "right" : "wrong")))],
    open: (item, texts) => item.arms.map((arm, i) => [element("h4", {}, choice.titles[i]),
      element("p", {}, arm.answer === undefined ? "no answer " : `answer: ${arm.answer} `, verdict(arm.right),
        element("span", {class: "note"}, ` ${count(arm.tokens, "token", "tokens")}`)),
      texts ? texts.arms[i].map(answer => sample(answer, answer.path, false)) : null])
  };
}

class Browser {
  constructor(root) {
    this.root = root;
    this.choices = JSON.parse(root.dataset.choices);
    this.pieces = new Map();
    this.controls = element("div", {class: "controls"});
    this.found = element("div", {class: "found", role: "status"});
    this.list = element("ul", {class: "items"});
    this.pager = element("div", {class: "found"});
    root.append(this.controls, this.found, this.list, this.pager);
    this.choose(0);
  }

  async choose(number) {
    this.choice = this.choices[number];
    this.kind = this.choice.kind === "ledger" ? ledger : answers(this.choice);
    this.found.textContent = "unpacking";
    this.items = await unpack(this.choice.pack + "-index");
    this.items.forEach((item, n) => { item.n = n; item.text = this.kind.words(item).join("\n").toLowerCase(); });
    this.tests = new Map();
    this.order = this.kind.orders[0][1];
    this.drawControls(number);
    this.select();
  }

  drawControls(number) {
    const search = element("input", {type: "search", placeholder: "question, answer, id"});
    let wait;
    search.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(() => this.test("search", this.search(search.value)), 120); });
    this.controls.replaceChildren(element("label", {class: "search"}, "Search", search));
    if (this.choices.length > 1) this.pick("Student", this.choices.map(choice => choice.title), number, chosen => this.choose(chosen));
    for (const filter of this.kind.filters(this.items)) {
      const tests = filter.tests || filter.values.map(value => [value, item => filter.of(item) === value]);
      if (filter.tests || filter.values.length > 1) {
        this.pick(filter.name, ["any", ...tests.map(test => test[0])], 0, chosen => this.test(filter.name, chosen ? tests[chosen - 1][1] : null));
      }
    }
    if (this.kind.orders.length > 1) {
      this.pick("Order", this.kind.orders.map(order => order[0]), 0, chosen => { this.order = this.kind.orders[chosen][1]; this.select(); });
    }
  }

  pick(name, values, selected, chosen) {
    const box = element("select", {}, values.map((value, i) => element("option", {value: i, selected: i === selected}, value)));
    box.addEventListener("change", () => chosen(Number(box.value)));
    this.controls.append(element("label", {}, name, box));
  }

  search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(word => word);
    return words.length ? item => words.every(word => item.text.includes(word)) : null;
  }

  test(name, test) {
    if (test) this.tests.set(name, test); else this.tests.delete(name);
    this.select();
  }

  select() {
    const tests = [...this.tests.values()];
    this.selected = this.items.filter(item => tests.every(test => test(item))).sort((a, b) => this.order(a, b) || a.n - b.n);
    this.show(0);
  }

  show(page) {
    const pages = Math.max(1, Math.ceil(this.selected.length / PER_PAGE));
    const from = page * PER_PAGE, shown = this.selected.slice(from, from + PER_PAGE);
    this.found.replaceChildren(`${count(this.selected.length, "item", "items")} of ${this.items.length.toLocaleString("en")}`
      + (shown.length ? `, ${from + 1} to ${from + shown.length} shown` : ""));
    this.list.replaceChildren(...shown.length ? shown.map(item => this.entry(item))
      : [element("li", {class: "none"}, "Nothing matches. Remove words from the search, or choose \u201cany\u201d in the filters.")]);
    const turn = (text, to, off) => {
      const button = element("button", {type: "button", disabled: off}, text);
      button.addEventListener("click", () => { this.show(to); this.root.scrollIntoView(); });
      return button;
    };
    this.pager.replaceChildren(...pages < 2 ? [] : [element("div", {}, turn("Previous", page - 1, page === 0),
      `page ${page + 1} of ${pages}`, turn("Next", page + 1, page === pages - 1))]);
  }

  entry(item) {
    const button = element("button", {type: "button", class: "item", "aria-expanded": "false"}, this.kind.line(item));
    const made = element("li", {}, button);
    button.addEventListener("click", async () => {
      const open = button.getAttribute("aria-expanded") !== "true";
      button.setAttribute("aria-expanded", String(open));
      if (!open) { made.lastChild.remove(); return; }
      const inside = element("div", {class: "opened"});
      made.append(inside);
      const texts = item.piece === undefined ? null : await this.texts(item);
      inside.append(...this.kind.open(item, texts).flat(Infinity).filter(part => part));
      if (!texts) inside.append(element("p", {class: "bounded"}, "This page does not have the texts of this item; the run folder has them."));
    });
    return made;
  }

  async texts(item) {
    const id = this.choice.pack + "-" + item.piece;
    if (!this.pieces.has(id)) this.pieces.set(id, unpack(id));
    return (await this.pieces.get(id)).find(line => line.n === item.n).texts;
  }
}

if (typeof DecompressionStream === "undefined") {
  document.querySelectorAll(".browser").forEach(root => root.append("This browser cannot unpack the data in this page. The same data is in the run folder."));
} else {
  document.querySelectorAll(".browser").forEach(root => new Browser(root));
}
