// Keeps the page about a line fresh. The page itself is the one that gonogo dashboard writes to a file; here its style becomes a
// sheet and its pictures become blobs, since nothing inside a page that is served may bring its own.
import { get } from "/connection.js";

const EVERY = 5000; // milliseconds between two looks
const PNG = "data:image/png;base64,";
const $ = (id) => document.getElementById(id);
const sheet = new CSSStyleSheet();
document.adoptedStyleSheets = [sheet];

let style = "";
let addresses = [];
let fresh = ""; // when the page was read last

function address(data) {
  const bytes = Uint8Array.from(atob(data.slice(PNG.length)), (sign) => sign.charCodeAt(0));
  addresses.push(URL.createObjectURL(new Blob([bytes], { type: "image/png" })));
  return addresses.at(-1);
}

async function refresh() {
  try {
    const found = await get("/page");
    if (found.style !== style) sheet.replaceSync((style = found.style));
    const old = addresses;
    addresses = [];
    const made = new DOMParser().parseFromString(found.body, "text/html");
    for (const image of made.images) {
      const data = image.getAttribute("src");
      image.removeAttribute("src");
      if (data.startsWith(PNG)) image.src = address(data);
    }
    document.title = found.title;
    $("page").replaceChildren(...made.body.childNodes);
    $("page").setAttribute("aria-busy", "false");
    $("alert").textContent = "";
    fresh = new Date().toLocaleTimeString();
    old.forEach(URL.revokeObjectURL);
  } catch (error) {
    $("alert").textContent = `Not fresh${fresh && `, read at ${fresh}`}: ${error.message}`;
  }
  setTimeout(refresh, EVERY);
}

refresh();
