/** The page: chooses people, lays out their phones, and keeps asking what is new. */

import { ask, askText } from "./api.js";
import { Player, Recorder } from "./conversation.js";
import { el } from "./dom.js";
import { Phone } from "./phone.js";

const BUSY_EVERY = 700;
const IDLE_EVERY = 3000;
/** For so long after something was sent the page asks often. */
const BUSY_FOR = 30_000;
const MOST_PHONES = 8;
const MOBILE = /^(\+?62|0)8\d{7,11}$/;

const byId = (id) => document.getElementById(id);
const desks = byId("desks");
const recorder = new Recorder();
const phones = new Set();
let busyUntil = 0;
let timer = 0;
let isAsking = false;

// --- phones --------------------------------------------------------------------------------------

function addPhone(person) {
  const phone = new Phone(person, { recorder, onActivity: hurry, onRemove: removePhone });
  phones.add(phone);
  desks.append(phone.element);
  showCount();
  hurry();
  return phone;
}

function removePhone(phone) {
  phone.end();
  phones.delete(phone);
  phone.element.remove();
  showCount();
  byId("add").focus();
}

function showCount() {
  byId("none").hidden = phones.size > 0;
  byId("add").disabled = phones.size >= MOST_PHONES;
}

// --- what is new ---------------------------------------------------------------------------------

/** Something was sent: ask at once, and often for a while. */
function hurry() {
  busyUntil = Date.now() + BUSY_FOR;
  plan(0);
}

function plan(delay) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(look, delay);
}

async function look() {
  if (isAsking) {
    plan(100);
    return;
  }
  isAsking = true;
  let isWaiting = false;
  let trouble = "";
  for (const phone of phones) {
    try {
      isWaiting = (await lookAt(phone)) || isWaiting;
    } catch (error) {
      trouble = error.message;
    }
  }
  isAsking = false;
  warn(trouble);
  plan(isWaiting || Date.now() < busyUntil ? BUSY_EVERY : IDLE_EVERY);
}

function warn(text) {
  const place = byId("trouble");
  if (place.textContent !== text) place.textContent = text;
  place.hidden = !text;
}

async function lookAt(phone) {
  const told = await ask("phones/timeline", {
    number: phone.person.number,
    after_in: String(phone.afterIn),
    after_out: String(phone.afterOut),
  });
  return phone.take(told);
}

document.addEventListener("visibilitychange", () => plan(0));

// --- choosing ------------------------------------------------------------------------------------

const chooser = byId("chooser");
const found = byId("found");

async function search() {
  try {
    const { people } = await ask("people", { q: byId("search").value });
    found.replaceChildren(...people.map(choice));
    byId("found-count").textContent = people.length
      ? `${people.length} orang contoh`
      : "Tidak ada yang cocok. Coba nama desa atau kecamatan.";
  } catch (error) {
    byId("found-count").textContent = error.message;
  }
}

function choice(person) {
  const isOfficer = person.kind === "officer";
  return el(
    "li",
    {},
    el(
      "button",
      { type: "button", class: "choice", onclick: () => choose(person) },
      el("b", {}, person.name),
      el("span", {}, person.place),
      el("span", { class: "number" }, isOfficer ? `${person.number} · petugas` : person.number),
    ),
  );
}

function choose(person) {
  chooser.close();
  const there = [...phones].find((phone) => phone.person.number === person.number);
  const phone = there ?? addPhone(person);
  phone.element.scrollIntoView({ block: "nearest" });
  phone.plain.focus();
}

async function chooseStranger() {
  const typed = byId("stranger").value.replace(/[\s.-]/g, "");
  const note = byId("stranger-note");
  if (!MOBILE.test(typed)) {
    note.textContent = "Tulis nomor HP Indonesia, misalnya 0812 3456 7890.";
    return;
  }
  const number = `+62${typed.replace(/^(\+?62|0)/, "")}`;
  try {
    await ask("phones/timeline", { number });
  } catch (error) {
    note.textContent = error.message;
    return;
  }
  note.textContent = "";
  choose({
    kind: "stranger",
    number,
    name: "Nomor lain",
    role: "",
    place: "Belum tentu terdaftar",
    villages: [],
  });
}

let typing = 0;
byId("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(search, 200);
});
byId("stranger-form").addEventListener("submit", (event) => {
  event.preventDefault();
  chooseStranger();
});
byId("add").addEventListener("click", () => {
  chooser.showModal();
  byId("search").focus();
  search();
});
for (const closer of document.querySelectorAll("[data-close]")) {
  closer.addEventListener("click", () => closer.closest("dialog").close());
}

// --- conversations -------------------------------------------------------------------------------

const saved = byId("saved");
let savedUrl = "";

byId("save").addEventListener("click", async () => {
  const text = byId("saved-text");
  const link = byId("download");
  try {
    if (!recorder.events.length) throw new Error("Belum ada yang terjadi. Kirim SMS dulu.");
    text.textContent = await recorder.file();
    link.hidden = false;
    URL.revokeObjectURL(savedUrl);
    savedUrl = URL.createObjectURL(new Blob([text.textContent], { type: "text/plain" }));
    link.href = savedUrl;
  } catch (error) {
    text.textContent = error.message;
    link.hidden = true;
  }
  saved.showModal();
});
byId("restart").addEventListener("click", () => {
  recorder.restart(new Set([...phones].map((phone) => phone.who)));
  saved.close();
});

const drawer = byId("drawer");
const player = new Player({ list: byId("steps"), summary: byId("summary"), addPhone });
let loaded = "";

byId("open-player").addEventListener("click", () => {
  drawer.hidden = !drawer.hidden;
  byId("open-player").setAttribute("aria-expanded", String(!drawer.hidden));
  if (!drawer.hidden) drawer.querySelector("select, input").focus();
});
byId("shipped")?.addEventListener("change", async (event) => {
  byId("file").value = "";
  nameFile();
  if (event.target.value) await load(() => askText(`conversations/${event.target.value}`));
});
byId("file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (byId("shipped")) byId("shipped").value = "";
  nameFile(file);
  if (file) await load(() => file.text());
});

function nameFile(file) {
  byId("file-name").textContent = file ? file.name : "Pilih berkas …";
}

async function load(fetchText) {
  loaded = "";
  byId("summary").textContent = "";
  byId("steps").replaceChildren();
  try {
    const text = await fetchText();
    const steps = await player.read(text);
    byId("summary").textContent = `${steps.length} baris, siap diputar.`;
    loaded = text;
  } catch (error) {
    byId("summary").textContent = error.message;
  }
  byId("play").disabled = !loaded;
}

byId("play").addEventListener("click", async () => {
  byId("play").disabled = true;
  byId("stop").disabled = false;
  byId("summary").textContent = "Sedang diputar …";
  for (const phone of [...phones]) removePhone(phone);
  try {
    await player.play(loaded, byId("fast").checked ? "fast" : "slow");
  } catch (error) {
    byId("summary").textContent = error.message;
  }
  byId("stop").disabled = true;
  byId("play").disabled = false;
});
byId("stop").addEventListener("click", () => player.stop());

// --- the start -----------------------------------------------------------------------------------

/** Lay out a kades and an officer, as most want to begin with. */
async function start() {
  setInterval(() => {
    for (const phone of phones) if (phone.mode === "home") phone.showScreen();
  }, 30_000);
  showCount();
  try {
    const { people } = await ask("people");
    const firsts = ["reporter", "officer"].map((kind) => people.find((one) => one.kind === kind));
    for (const person of firsts) if (person) addPhone(person);
  } catch (error) {
    warn(error.message);
  }
  document.body.dataset.ready = "yes";
}

start();
