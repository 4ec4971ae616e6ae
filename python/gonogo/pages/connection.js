// What every page of gonogo asks its server with. The token came with the address; browsers send fragments to nobody.
const token = location.hash.slice(1);

async function send(method, path, body) {
  const headers = { "X-Gonogo-Token": token };
  if (method === "POST") headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), redirect: "error" });
  } catch {
    throw new Error("gonogo does not answer; is it still running in its terminal?");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Error(told.error || `gonogo answered ${answer.status}`);
}

// The answers to questions and orders are JSON; a refusal is an Error with gonogo's sentence.
export const get = async (path) => (await send("GET", path)).json();
export const post = async (path, body) => (await send("POST", path, body)).json();

// An address under which an <img> finds a picture; give it to URL.revokeObjectURL when it is no longer shown. What cannot be
// shown comes as JSON with the reason.
export async function picture(path) {
  const answer = await send("GET", path);
  if (answer.headers.get("Content-Type") === "application/json") throw new Error((await answer.json()).error);
  return URL.createObjectURL(await answer.blob());
}
