// The page on which people judge pictures, for gonogo label and gonogo review. A verdict is only taken for a picture that stands
// on the screen, and the page goes on only when gonogo has said that the verdict is on the disk. Picture ids are places in
// gonogo's order: suspects first.
import { get, picture, post } from "/connection.js";

const UNCLEAR = "unclear";
const KEPT = "reviewer";
const $ = (id) => document.getElementById(id);

let verdicts = []; // by id; "" where there is none
let suspects = 0; // ids below this are suspects
let list = []; // ids that are gone through now
let place = 0;
let reviewer = "";
let reveals = "asked"; // whether what is known of a picture is shown when asked for, at once, or never
let empty = ""; // what is said where there is no picture
let confirms = ""; // the class that one key confirms, once it was shown
let visible = false; // whether the picture of this place stands on the screen
let busy = false; // whether an order is on its way

const filters = {
  suspects: () => verdicts.map((_, id) => id),
  doubted: () => verdicts.map((_, id) => id).filter((id) => id < suspects),
  all: () => verdicts.map((_, id) => id),
  open: () => verdicts.map((_, id) => id).filter((id) => !verdicts[id]),
  unclear: () => verdicts.map((_, id) => id).filter((id) => verdicts[id] === UNCLEAR),
};

// Pictures that are fetched or on their way, by id; the neighbours of the shown one come ahead.
const addresses = new Map();

function fetched(id) {
  if (!addresses.has(id)) {
    const coming = picture(`/picture/${id}`);
    coming.catch(() => addresses.delete(id)); // another look tries again
    addresses.set(id, coming);
  }
  return addresses.get(id);
}

function forgetAllBut(ids) {
  for (const [id, coming] of addresses) {
    if (ids.includes(id)) continue;
    addresses.delete(id);
    coming.then(URL.revokeObjectURL, () => {});
  }
}

async function show(where) {
  place = Math.max(0, Math.min(where, list.length - 1));
  const id = list[place];
  visible = false;
  confirms = "";
  $("shown").hidden = true;
  $("picture").hidden = true;
  $("broken").hidden = true;
  describe();
  if (id === undefined) {
    $("broken").textContent = list.length === verdicts.length ? empty : "";
    $("broken").hidden = !$("broken").textContent;
    return;
  }
  try {
    const address = await fetched(id);
    if (list[place] !== id) return; // someone went on meanwhile
    $("picture").src = address;
    await $("picture").decode();
    if (list[place] !== id) return;
    $("picture").hidden = false;
    if (reveals === "at once") await tell(id);
    if (list[place] !== id) return;
    visible = true;
  } catch (error) {
    if (list[place] !== id) return;
    $("broken").textContent = error.message;
    $("broken").hidden = false;
  }
  describe();
  const near = [place - 1, place, place + 1].map((other) => list[other]).filter((other) => other !== undefined);
  forgetAllBut(near);
  near.forEach((other) => fetched(other).catch(() => {}));
}

function describe() {
  const judged = verdicts.filter(Boolean).length;
  const id = list[place];
  $("where").textContent = list.length
    ? `Picture ${place + 1} of ${list.length}, ${judged} of ${verdicts.length} judged`
    : `No picture here, ${judged} of ${verdicts.length} judged`;
  $("progress").max = verdicts.length;
  $("progress").value = judged;
  for (const button of $("classes").children) {
    button.setAttribute("aria-pressed", String(id !== undefined && verdicts[id] === button.dataset.verdict));
    button.disabled = !visible;
    button.querySelector(".confirm").hidden = !confirms || button.dataset.verdict !== confirms;
  }
  $("reveal").disabled = !visible;
}

// One order at a time; a refusal stays on the page until the next one succeeds.
async function order(action) {
  if (busy) return;
  busy = true;
  try {
    await action();
    $("alert").textContent = "";
  } catch (error) {
    $("status").textContent = "";
    $("alert").textContent = `Nothing was saved: ${error.message}`;
  } finally {
    busy = false;
  }
}

function judge(corrected) {
  if (!visible) return;
  const id = list[place];
  order(async () => {
    await post("/verdict", { id, corrected, reviewer });
    verdicts[id] = corrected;
    if (list[place] !== id) return describe(); // someone went on meanwhile
    const last = place === list.length - 1;
    $("status").textContent = `Saved: ${corrected}.${last ? " This was the last picture of these." : ""}`;
    await show(place + 1);
  });
}

function undo() {
  order(async () => {
    const { undone } = await post("/undo", {});
    if (!undone) {
      $("status").textContent = "There is no verdict of this session to take back.";
      return;
    }
    verdicts[undone.id] = undone.corrected;
    if (!list.includes(undone.id)) choose(whole());
    $("status").textContent = `Taken back; this picture is ${undone.corrected || "open"} again.`;
    await show(list.indexOf(undone.id));
  });
}

// Shows what is known of a picture; gonogo keeps that it was shown.
async function tell(id) {
  const found = await post("/facts", { id });
  if (list[place] !== id) return;
  const pairs = found.facts.map(([name, text]) => {
    const [pair, term, told] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    term.textContent = name;
    told.textContent = text;
    told.dataset.fact = name;
    pair.append(term, told);
    return pair;
  });
  $("facts").replaceChildren(...pairs);
  $("shown").hidden = false;
  confirms = found.confirms;
  describe();
}

function reveal() {
  if (!visible || reveals === "never") return;
  const id = list[place];
  order(() => tell(id));
}

// The filter that leaves nothing out.
const whole = () => (suspects ? "suspects" : "all");

function choose(filter) {
  $("filter").value = filter;
  list = filters[filter]();
}

function nextFilter() {
  const options = [...$("filter").options].filter((option) => !option.hidden);
  const now = options.findIndex((option) => option.selected);
  choose(options[(now + 1) % options.length].value);
  $("status").textContent = `Showing: ${$("filter").selectedOptions[0].text}.`;
  show(0);
}

async function finish() {
  let ended = false;
  await order(async () => {
    await post("/finish", {});
    ended = true;
  });
  if (!ended) return;
  document.removeEventListener("keydown", pressed);
  document.body.replaceChildren("All verdicts are saved, and gonogo has ended. You may close this page.");
}

// Twice as large as fits, or pixel by pixel where that is larger; the middle first.
function zoom() {
  const figure = $("figure");
  figure.classList.toggle("actual");
  figure.scrollTo((figure.scrollWidth - figure.clientWidth) / 2, (figure.scrollHeight - figure.clientHeight) / 2);
}

const scrolls = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const keys = {
  ArrowRight: () => show(place + 1),
  ArrowLeft: () => show(place - 1),
  u: undo,
  s: reveal,
  f: nextFilter,
  z: zoom,
  c: () => confirms && judge(confirms),
  x: () => judge(UNCLEAR),
  0: () => judge(UNCLEAR),
  "?": () => $("helping").showModal(),
};

function pressed(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  const button = /^[1-9]$/.test(event.key) ? $("classes").children[event.key - 1] : undefined;
  const moves = event.key.startsWith("Arrow");
  if (event.repeat && !moves) return; // a key held down judges one picture
  if (moves && event.shiftKey) $("figure").scrollBy(...scrolls[event.key].map((way) => 80 * way));
  else if (button && button.dataset.verdict !== UNCLEAR) judge(button.dataset.verdict);
  else if (Object.hasOwn(keys, event.key)) keys[event.key]();
  else return;
  event.preventDefault();
}

function addButton(verdict, key) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.verdict = verdict;
  button.append(verdict);
  if (key !== undefined) {
    const sign = document.createElement("kbd");
    sign.textContent = key;
    button.prepend(sign, " ");
  }
  const confirming = document.createElement("kbd");
  confirming.className = "confirm";
  confirming.textContent = "c";
  confirming.hidden = true;
  button.append(" ", confirming);
  button.addEventListener("click", () => judge(verdict));
  $("classes").append(button);
}

async function start() {
  const state = await get("/state");
  document.title = state.title;
  reveals = state.reveals;
  for (const told of document.querySelectorAll("[data-reveals]")) told.hidden = !told.dataset.reveals.split(",").includes(reveals);
  state.classes.forEach((name, i) => addButton(name, i < 9 ? i + 1 : undefined));
  addButton(UNCLEAR, 0);
  document.addEventListener("keydown", pressed);
  reviewer = state.reviewer || sessionStorage.getItem(KEPT) || "";
  if (!reviewer) {
    $("asking").showModal();
    return;
  }
  await begin();
}

// What there is to judge may depend on who is looking.
async function begin() {
  const state = await post("/reviewer", { reviewer });
  sessionStorage.setItem(KEPT, reviewer);
  ({ verdicts, suspects, empty } = state);
  for (const option of $("filter").options) {
    option.hidden = suspects ? option.value === "all" : ["suspects", "doubted"].includes(option.value);
  }
  choose(whole());
  const first = list.findIndex((id) => !verdicts[id]);
  await show(first < 0 ? 0 : first);
}

function complain(error) {
  $("alert").textContent = error.message;
}

$("asking").addEventListener("cancel", (event) => event.preventDefault());
$("asking").addEventListener("close", () => {
  reviewer = $("name").value.trim();
  if (reviewer) begin().catch(complain);
  else $("asking").showModal();
});
$("finishing").addEventListener("close", () => {
  if ($("finishing").returnValue === "finish") finish();
});
$("filter").addEventListener("change", () => {
  choose($("filter").value);
  $("filter").blur(); // or the next digit would choose another filter
  show(0);
});
for (const [id, action] of Object.entries({
  previous: keys.ArrowLeft,
  next: keys.ArrowRight,
  undo,
  reveal,
  zoom,
  help: keys["?"],
  finish: () => {
    $("finishing").returnValue = "";
    $("finishing").showModal();
  },
})) {
  $(id).addEventListener("click", action);
}
start().catch(complain);
