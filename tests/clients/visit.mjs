// What the TypeScript client sees of a server: all that works, or what it tells its user instead.
// The same module runs in Node and, bundled, in a page.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { WebSocketTransport } from "./websocket.mjs";

const MODES = { auto: "auto", legacy: "legacy", "2026-07-28": { pin: "2026-07-28" } };
const TIMEOUT = { timeout: 10_000 };

/** Connect, use the tools and leave. An error that ends the visit is told under `error`. */
export async function visit({ url, token, origin, mode, label }) {
  const client = new Client({ name: "visit", version: "1" }, { versionNegotiation: { mode: MODES[mode] } });
  const seen = {};
  const notified = [];
  try {
    await client.connect(transport(url, token, origin, notified), TIMEOUT);
    seen.version = client.getNegotiatedProtocolVersion();
    seen.tools = (await client.listTools(undefined, TIMEOUT)).tools.map((tool) => tool.name).sort();
    seen.sum = (await call(client, "add", { a: 2, b: 3 })).result;
    seen.forbidden = await failure(call(client, "forbidden", {}));
    seen.progress = await abandon(client, label);
    seen.caller = (await call(client, "whoami", {})).result;
    await Promise.allSettled(notified); // closing would take back what was not answered yet
  } catch (error) {
    seen.error = describe(error);
  } finally {
    await client.close();
  }
  return seen;
}

function transport(url, token, origin, notified) {
  if (url.startsWith("ws")) return new WebSocketTransport(url, token);
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (origin) headers.Origin = origin;
  const noting = (target, init) => {
    const answered = fetch(target, init);
    if (init?.body?.includes("notifications/")) notified.push(answered);
    return answered;
  };
  return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers }, fetch: noting });
}

async function call(client, name, args, options = {}) {
  return (await client.callTool({ name, arguments: args }, { ...TIMEOUT, ...options })).structuredContent;
}

/** Call a tool that would take a minute, leave it as soon as it reports progress, and return the reports. */
async function abandon(client, label) {
  const leaving = new AbortController();
  const seen = [];
  const onprogress = ({ progress, total, message }) => {
    seen.push([progress, total, message]);
    leaving.abort("seen enough");
  };
  await failure(call(client, "wait", { label }, { signal: leaving.signal, onprogress }));
  return seen;
}

/** Return what the user is told instead of a result, null when there is one. */
async function failure(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return describe(error);
  }
}

function describe(error) {
  return `${error.name}: ${error.message}`;
}
